import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st

from app.core.alert.decision import Reason
from app.net.session import WebSession
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.slack.blocks import render
from app.notifiers.slack.webhook import SlackWebhook
from tests.notifiers.samples import BIDI_AND_CONTROLS, SNAPSHOTS, alert, notification, with_text_everywhere

SECRET = "T00000000/B00000000/xoxSECRETxox"
URL = f"https://hooks.slack.com/services/{SECRET}"

RETRY, FINAL = False, True
OUTCOMES = [
    (200, "okay", FailureReason.CLIENT_ERROR, FINAL),
    (200, "<html>Sign in</html>", FailureReason.SERVER_ERROR, RETRY),
    (200, "", FailureReason.SERVER_ERROR, RETRY),
    (204, "", FailureReason.CLIENT_ERROR, FINAL),
    (301, "", FailureReason.CLIENT_ERROR, FINAL),
    (302, "", FailureReason.CLIENT_ERROR, FINAL),
    (307, "", FailureReason.CLIENT_ERROR, FINAL),
    (308, "", FailureReason.CLIENT_ERROR, FINAL),
    (400, "invalid_payload", FailureReason.CLIENT_ERROR, FINAL),
    (400, "invalid_blocks", FailureReason.CLIENT_ERROR, FINAL),
    (400, "user_not_found", FailureReason.CLIENT_ERROR, FINAL),
    (400, "no_team", FailureReason.AUTH_ERROR, FINAL),
    (401, "", FailureReason.AUTH_ERROR, FINAL),
    (403, "invalid_token", FailureReason.AUTH_ERROR, FINAL),
    (403, "action_prohibited", FailureReason.CLIENT_ERROR, FINAL),
    (403, "posting_to_general_channel_denied", FailureReason.CLIENT_ERROR, FINAL),
    (403, "", FailureReason.AUTH_ERROR, FINAL),
    (404, "no_service", FailureReason.AUTH_ERROR, FINAL),
    (404, "no_active_hooks", FailureReason.AUTH_ERROR, FINAL),
    (404, "channel_not_found", FailureReason.CLIENT_ERROR, FINAL),
    (404, "<html>Not Found</html>", FailureReason.AUTH_ERROR, FINAL),
    (408, "", FailureReason.SERVER_ERROR, RETRY),
    (410, "channel_is_archived", FailureReason.CLIENT_ERROR, FINAL),
    (410, "", FailureReason.AUTH_ERROR, FINAL),
    (413, "", FailureReason.CLIENT_ERROR, FINAL),
    (429, "rate_limited", FailureReason.RATE_LIMITED, RETRY),
    (500, "rollup_error", FailureReason.SERVER_ERROR, RETRY),
    (502, "<html>Bad Gateway</html>", FailureReason.SERVER_ERROR, RETRY),
    (503, "", FailureReason.SERVER_ERROR, RETRY),
    (504, "", FailureReason.SERVER_ERROR, RETRY),
]
BREAKS = [
    (requests.exceptions.ConnectTimeout, FailureReason.NETWORK),
    (requests.exceptions.ReadTimeout, FailureReason.NETWORK),
    (requests.exceptions.ConnectionError, FailureReason.NETWORK),
    (requests.exceptions.ProxyError, FailureReason.NETWORK),
    (requests.exceptions.ChunkedEncodingError, FailureReason.NETWORK),
    (requests.exceptions.SSLError, FailureReason.TLS),
    (OSError, FailureReason.NETWORK),
]


@pytest.fixture
def slack() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=True) as mock:
        yield mock


def failure_of(call: Any, *arguments: Any) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        call(*arguments)
    return caught.value


def assert_keeps_the_secret(error: NotifyError) -> None:
    assert SECRET not in f"{error} {error!r} {error.args} {vars(error)}"
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_message_answered_with_ok_is_sent(slack: responses.RequestsMock) -> None:
    slack.post(URL, body="ok", match=[responses.matchers.json_params_matcher(render(alert()))])
    SlackWebhook(URL).send(notification())


@pytest.mark.parametrize(("status", "body", "reason", "permanent"), OUTCOMES)
def test_every_other_answer_fails_with_its_reason(
    slack: responses.RequestsMock,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: str,
    reason: FailureReason,
    permanent: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    slack.post(URL, status=status, body=body, headers={"Location": "https://elsewhere.example.com/"})
    error = failure_of(SlackWebhook(URL).send, notification())
    assert (reason, permanent) == (error.reason, error.permanent)
    assert str(status) in str(error)
    assert_keeps_the_secret(error)
    assert SECRET not in caplog.text


@pytest.mark.parametrize(("kind", "reason"), BREAKS)
@pytest.mark.parametrize("call", ["send", "probe"])
def test_a_connection_that_breaks_is_tried_again(
    slack: responses.RequestsMock, kind: type[OSError], reason: FailureReason, call: str
) -> None:
    slack.post(URL, body=kind(f"Max retries exceeded with url: /services/{SECRET}"))
    webhook = SlackWebhook(URL)
    error = failure_of(webhook.probe) if call == "probe" else failure_of(webhook.send, notification())
    assert (reason, RETRY) == (error.reason, error.permanent)
    assert_keeps_the_secret(error)


def test_the_error_holds_slacks_word_but_no_free_text(slack: responses.RequestsMock) -> None:
    slack.post(URL, status=404, body="no_service")
    assert "404 no_service" in str(failure_of(SlackWebhook(URL).send, notification()))
    slack.post(URL, status=400, body=f"no such path: /services/{SECRET}")
    assert_keeps_the_secret(failure_of(SlackWebhook(URL).send, notification()))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 1.0),
        ("600", 600.0),
        ("86400", 600.0),
        (None, 30.0),
        ("", 30.0),
        ("soon", 30.0),
        ("-5", 30.0),
        ("1.5", 30.0),
        ("²", 30.0),
        ("9" * 400, 30.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 600.0),
        ("Wed, 21 Oct 2099 07:28:00 -0000", 600.0),
        ("Wed, 99 Oct 2099 07:28:00 GMT", 30.0),
    ],
)
def test_a_rate_limit_says_when_to_try_again(
    slack: responses.RequestsMock, header: str | None, expected: float
) -> None:
    slack.post(URL, status=429, headers={} if header is None else {"Retry-After": header})
    assert expected == failure_of(SlackWebhook(URL).send, notification()).retry_after


def test_a_rate_limit_may_name_the_moment(slack: responses.RequestsMock) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=200), usegmt=True)
    slack.post(URL, status=429, headers={"Retry-After": at})
    wait = failure_of(SlackWebhook(URL).send, notification()).retry_after
    assert wait is not None
    assert 100 < wait <= 200


@pytest.mark.parametrize(("headers", "expected"), [({"Retry-After": "120"}, 120.0), ({}, None)])
def test_a_server_error_waits_only_when_asked_to(
    slack: responses.RequestsMock, headers: dict[str, str], expected: float | None
) -> None:
    slack.post(URL, status=503, headers=headers)
    assert expected == failure_of(SlackWebhook(URL).send, notification()).retry_after


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, "invalid_payload"), (400, "no_text"), (400, "missing_text_or_fallback_or_attachments"), (200, "ok")],
)
def test_a_probe_is_content_with_a_complaint_about_its_empty_message(
    slack: responses.RequestsMock, status: int, body: str
) -> None:
    slack.post(URL, status=status, body=body, match=[responses.matchers.json_params_matcher({})])
    SlackWebhook(URL).probe()


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, "no_service", FailureReason.AUTH_ERROR),
        (403, "invalid_token", FailureReason.AUTH_ERROR),
        (410, "channel_is_archived", FailureReason.CLIENT_ERROR),
        (400, "user_not_found", FailureReason.CLIENT_ERROR),
        (302, "", FailureReason.CLIENT_ERROR),
        (200, "<html>", FailureReason.SERVER_ERROR),
        (429, "", FailureReason.RATE_LIMITED),
        (500, "no_text", FailureReason.SERVER_ERROR),
    ],
)
def test_a_probe_fails_for_any_other_complaint(
    slack: responses.RequestsMock, status: int, body: str, reason: FailureReason
) -> None:
    slack.post(URL, status=status, body=body)
    assert reason == failure_of(SlackWebhook(URL).probe).reason


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.slack.com/services/x/xoxSECRETxox",
        "ftp://h/xoxSECRETxox",
        "https:///xoxSECRETxox",
        "https://[xoxSECRETxox/",
        "https://h:xoxSECRETxox/",
        "https://h/xoxSECRETxox\n",
        "https://*/xoxSECRETxox",
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="whole URL") as caught:
        SlackWebhook(url)
    assert "xoxSECRETxox" not in f"{caught.value!r} {caught.value.__context__!r}"


def test_no_representation_shows_the_url() -> None:
    assert "SECRET" not in f"{SlackWebhook(URL)!r} {SlackWebhook(URL)}"


@contextmanager
def http_server(status: int, headers: dict[str, str], body: bytes) -> Iterator[tuple[str, list[str]]]:
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/services/{SECRET}", paths
        finally:
            server.shutdown()
            thread.join()


def without_proxies() -> requests.Session:
    session = WebSession()
    session.trust_env = False
    return session


def test_a_real_request_leaves_the_url_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with http_server(200, {}, b"ok") as (url, paths):
        SlackWebhook(url, without_proxies()).send(notification())
    assert [f"/services/{SECRET}"] == paths
    assert SECRET not in caplog.text


def test_a_redirect_is_not_followed() -> None:
    with http_server(307, {"Location": "/stolen"}, b"") as (url, paths):
        error = failure_of(SlackWebhook(url, without_proxies()).send, notification())
    assert (error.reason, error.permanent) == (FailureReason.CLIENT_ERROR, FINAL)
    assert [f"/services/{SECRET}"] == paths


def test_a_closed_port_is_a_network_failure_that_keeps_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with http_server(200, {}, b"ok") as (url, _):
        pass
    error = failure_of(SlackWebhook(url, without_proxies()).send, notification())
    assert (error.reason, error.permanent) == (FailureReason.NETWORK, RETRY)
    assert_keeps_the_secret(error)
    assert SECRET not in caplog.text


# What a message looks like.


def texts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every text object of a message."""
    if isinstance(value, dict):
        if value.get("type") in {"plain_text", "mrkdwn"}:
            yield value
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def assert_slack_takes(message: dict[str, Any]) -> None:
    assert 0 < len(message["text"]) <= 3000
    assert len(message["blocks"]) <= 50
    assert all(0 < len(text["text"]) <= 3000 for text in texts(message))
    action_ids = []
    for block in message["blocks"]:
        match block["type"]:
            case "header":
                assert len(block["text"]["text"]) <= 150
                assert block["text"]["type"] == "plain_text"
            case "section":
                assert 1 <= len(block.get("fields", [0])) <= 10
                assert all(len(field["text"]) <= 2000 for field in block.get("fields", []))
            case "context":
                assert len(block["elements"]) <= 10
            case "actions":
                assert 1 <= len(block["elements"]) <= 25
                for button in block["elements"]:
                    action_ids.append(button["action_id"])
                    assert len(button["text"]["text"]) <= 75
                    assert len(button["url"]) <= 3000
                    assert button["url"].startswith(("http://", "https://"))
    assert len(action_ids) == len(set(action_ids))


def assert_harmless(message: dict[str, Any]) -> None:
    for text in [message["text"], *(text["text"] for text in texts(message))]:
        assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", text)
        assert not set(BIDI_AND_CONTROLS) - {"\n"} & set(text)
        text.encode("utf-8")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("slack_warning", alert()),
        ("slack_critical", alert(used=1050, level="100%", reason=Reason.ESCALATED)),
        ("slack_ok", alert(used=12, level="", reason=Reason.RESOLVED)),
    ],
)
def test_the_message_is_the_reviewed_one(name: str, shown: Any) -> None:
    assert json.loads((SNAPSHOTS / f"{name}.json").read_text("utf-8")) == render(shown)


def test_severity_is_reported_in_a_word_and_the_text_is_complete_without_blocks() -> None:
    message = render(alert())
    assert "Warning" in message["blocks"][0]["text"]["text"]
    for part in ("Warning", "912", "1,000", "90%"):
        assert part in message["text"]


@pytest.mark.parametrize(
    "text",
    ["<!channel>", "<!here>", "<@U123>", "<!subteam^S1>", "<https://evil.example|ok>", "a&b"],
)
def test_no_name_can_mention_anyone_or_make_a_link(text: str) -> None:
    message = render(with_text_everywhere(text))
    assert_harmless(message)
    assert text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in message["text"]
    off = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
    assert off.items() <= message.items()
    assert all(text["verbatim"] for text in texts(message) if text["type"] == "mrkdwn")


@pytest.mark.parametrize(
    "text", ["*bold*", "_italic_", "x _y_ z", "~gone~", "`code`", "> quote", " > quote", ":skull:", "é_x_", "a*b"]
)
def test_no_name_is_formatted(text: str) -> None:
    message = render(with_text_everywhere(text))
    assert {"plain_text"} == {found["type"] for found in texts(message)}
    assert message["mrkdwn"] is False


def test_an_underscore_inside_a_name_leaves_the_label_bold() -> None:
    field = render(replace(alert(), facts=(("Top users", "john_doe 7"),)))["blocks"][3]["fields"][0]
    assert field == {"type": "mrkdwn", "text": "*Top users*\njohn_doe 7", "verbatim": True}


def test_control_and_bidi_characters_are_removed() -> None:
    message = render(with_text_everywhere(f"a{BIDI_AND_CONTROLS}b\ud800"))
    assert_harmless(message)
    assert "a b?" in message["text"]


@pytest.mark.parametrize("character", ["x", "&", "<", "*", "🚨", "\ud800", "\n", "\u202e", "\u2028"])
@pytest.mark.parametrize("length", [1, 74, 75, 149, 150, 2000, 3000, 100_000])
def test_every_limit_of_slack_is_kept(character: str, length: int) -> None:
    text = character * length
    many = with_text_everywhere(text)
    links = tuple((text, f"https://coder.example.com/{'x' * count}") for count in range(2960, 3000))
    message = render(replace(many, facts=many.facts * 10, links=links))
    assert_slack_takes(message)
    assert_harmless(message)


@given(st.text(st.characters()))
def test_no_text_at_all_breaks_the_message(text: str) -> None:
    message = render(with_text_everywhere(text))
    assert_slack_takes(message)
    assert_harmless(message)
    json.dumps(message).encode()


def test_an_alert_with_nothing_to_add_is_still_a_message() -> None:
    bare = replace(alert(), headline="", summary="", facts=(), meaning="", links=(), footer="")
    assert [block["type"] for block in render(bare)["blocks"]] == ["header"]
    assert_slack_takes(render(bare))


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://x/", "//x/", "https://", "https://x/ y", "https://[x/", ""],
)
def test_only_web_links_become_buttons(url: str) -> None:
    message = render(replace(alert(), links=(("Open", url),)))
    assert "actions" not in {block["type"] for block in message["blocks"]}
