import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses

from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.slack.answer import answer, may_answer, private
from app.notifiers.slack.api import SlackApi, SlackRefusalError

SECRET = "SECRETSECRET"
URL = "https://slack.com/api"
METHOD = f"{URL}/chat.postMessage"
AUTH, CLIENT = FailureReason.AUTH_ERROR, FailureReason.CLIENT_ERROR
SERVER, LIMITED = FailureReason.SERVER_ERROR, FailureReason.RATE_LIMITED
RETRY, FINAL = False, True
#: Word, what it means, and what an admin reads about it.
WORDS = [
    ("not_authed", AUTH, FINAL, "AWB_SLACK_BOT_TOKEN"),
    ("invalid_auth", AUTH, FINAL, "AWB_SLACK_BOT_TOKEN"),
    ("account_inactive", AUTH, FINAL, "reinstall the app"),
    ("token_revoked", AUTH, FINAL, "reinstall the app"),
    ("token_expired", AUTH, FINAL, "reinstall the app"),
    ("missing_scope", AUTH, FINAL, "chat:write"),
    ("not_allowed_token_type", AUTH, FINAL, "bot token"),
    ("no_permission", AUTH, FINAL, "ask its admins"),
    ("ekm_access_denied", AUTH, FINAL, "ask its admins"),
    ("accesslimited", AUTH, FINAL, "ask its admins"),
    ("team_access_not_granted", AUTH, FINAL, "ask its admins"),
    ("two_factor_setup_required", AUTH, FINAL, "ask its admins"),
    ("channel_not_found", CLIENT, FINAL, "AWB_SLACK_CHANNEL, and invite the bot"),
    ("not_in_channel", CLIENT, FINAL, "invite the bot"),
    ("is_archived", CLIENT, FINAL, "unarchive"),
    ("is_inactive", CLIENT, FINAL, "unarchive"),
    ("restricted_action", CLIENT, FINAL, "ask its admins"),
    ("restricted_action_read_only_channel", CLIENT, FINAL, "ask its admins"),
    ("msg_too_long", CLIENT, FINAL, "error in this program"),
    ("msg_blocks_too_long", CLIENT, FINAL, "error in this program"),
    ("no_text", CLIENT, FINAL, "error in this program"),
    ("invalid_blocks", CLIENT, FINAL, "error in this program"),
    ("invalid_arguments", CLIENT, FINAL, "error in this program"),
    ("message_not_found", CLIENT, FINAL, "message_not_found"),
    ("a_word_of_tomorrow", CLIENT, FINAL, "a_word_of_tomorrow"),
    ("ratelimited", LIMITED, RETRY, "ratelimited"),
    ("rate_limited", LIMITED, RETRY, "rate_limited"),
    ("message_limit_exceeded", LIMITED, RETRY, "message_limit_exceeded"),
    ("internal_error", SERVER, RETRY, "internal_error"),
    ("fatal_error", SERVER, RETRY, "fatal_error"),
    ("service_unavailable", SERVER, RETRY, "service_unavailable"),
    ("request_timeout", SERVER, RETRY, "request_timeout"),
    ("update_failed", SERVER, RETRY, "update_failed"),
    ("team_added_to_org", SERVER, RETRY, "team_added_to_org"),
    ("external_channel_migrating", SERVER, RETRY, "external_channel_migrating"),
]
STATUSES = [
    (201, CLIENT, FINAL),
    (301, CLIENT, FINAL),
    (307, CLIENT, FINAL),
    (400, CLIENT, FINAL),
    (401, AUTH, FINAL),
    (403, AUTH, FINAL),
    (404, CLIENT, FINAL),
    (408, SERVER, RETRY),
    (413, CLIENT, FINAL),
    (429, LIMITED, RETRY),
    (500, SERVER, RETRY),
    (502, SERVER, RETRY),
    (503, SERVER, RETRY),
]


@pytest.fixture
def slack() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=True) as mock:
        yield mock


def api() -> SlackApi:
    return SlackApi(f"xoxb-{SECRET}", URL)


def failure() -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        api().write("chat.postMessage", channel="C1", text="x")
    error = caught.value
    assert SECRET not in f"{error} {error!r} {error.args} {vars(error)}"
    assert (error.__cause__, error.__context__) == (None, None)
    return error


@pytest.mark.parametrize(("word", "reason", "permanent", "hint"), WORDS)
def test_every_word_has_its_meaning(
    slack: responses.RequestsMock, word: str, reason: FailureReason, permanent: bool, hint: str
) -> None:
    slack.post(METHOD, json={"ok": False, "error": word})
    error = failure()
    assert isinstance(error, SlackRefusalError)
    assert (word, reason, permanent) == (error.word, error.reason, error.permanent)
    assert hint in str(error)


@pytest.mark.parametrize(("status", "reason", "permanent"), STATUSES)
def test_every_status_has_its_meaning(
    slack: responses.RequestsMock,
    caplog: pytest.LogCaptureFixture,
    status: int,
    reason: FailureReason,
    permanent: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    slack.post(METHOD, status=status, json={"ok": True}, headers={"Location": "https://elsewhere.example.com/"})
    error = failure()
    assert (reason, permanent, str(status) in str(error)) == (error.reason, error.permanent, True)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("body", ["", "ok", "<html>Sign in</html>", "[]", "null", '{"ok":tr', "[" * 100_000])
def test_an_answer_that_is_none_of_slacks_is_tried_again(slack: responses.RequestsMock, body: str) -> None:
    slack.post(METHOD, body=body)
    error = failure()
    assert (error.reason, error.permanent) == (SERVER, RETRY)


@pytest.mark.parametrize("answered", [{}, {"ok": "true"}, {"ok": 1}, {"ok": None, "error": "x"}])
def test_only_true_is_a_success(slack: responses.RequestsMock, answered: dict[str, Any]) -> None:
    slack.post(METHOD, json=answered)
    assert failure().permanent


@pytest.mark.parametrize("word", [f"xoxb-{SECRET}", "Bad Word", 7, None, "x" * 81, {"a": 1}])
def test_what_is_no_word_is_not_repeated(slack: responses.RequestsMock, word: Any) -> None:
    slack.post(METHOD, json={"ok": False, "error": word})
    error = failure()
    assert "with an unknown code" in str(error)
    assert isinstance(error, SlackRefusalError)
    assert error.word == ""


@pytest.mark.parametrize(
    ("needed", "shown"), [("chat:write,channels:read", True), ("<script>", False), (f"X{SECRET}", False), (7, False)]
)
def test_the_missing_scope_is_named(slack: responses.RequestsMock, needed: Any, shown: bool) -> None:
    slack.post(METHOD, json={"ok": False, "error": "missing_scope", "needed": needed})
    assert (f"needed: {needed}" in str(failure())) is shown


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("86400", 600.0), (None, 30.0), ("soon", 30.0)])
@pytest.mark.parametrize("status", [200, 429])
def test_a_rate_limit_says_when_to_try_again(
    slack: responses.RequestsMock, header: str | None, seconds: float, status: int
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    slack.post(METHOD, status=status, json={"ok": False, "error": "ratelimited"}, headers=headers)
    error = failure()
    assert (error.reason, error.retry_after) == (LIMITED, seconds)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (requests.exceptions.ConnectTimeout, FailureReason.NETWORK),
        (requests.exceptions.ReadTimeout, FailureReason.NETWORK),
        (requests.exceptions.ConnectionError, FailureReason.NETWORK),
        (requests.exceptions.ChunkedEncodingError, FailureReason.NETWORK),
        (requests.exceptions.InvalidHeader, FailureReason.NETWORK),
        (requests.exceptions.SSLError, FailureReason.TLS),
        (OSError, FailureReason.NETWORK),
    ],
)
def test_a_connection_that_breaks_is_tried_again(
    slack: responses.RequestsMock, kind: type[OSError], reason: FailureReason
) -> None:
    slack.post(METHOD, body=kind(f"xoxb-{SECRET}"))
    error = failure()
    assert (error.reason, error.permanent) == (reason, RETRY)


def test_the_token_travels_in_the_header_and_the_arguments_as_json(slack: responses.RequestsMock) -> None:
    slack.post(METHOD, json={"ok": True, "ts": "1.0"})
    assert api().write("chat.postMessage", text="“ä”")["ts"] == "1.0"
    sent = slack.calls[0].request
    assert sent.headers["Authorization"] == f"Bearer xoxb-{SECRET}"
    assert sent.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(sent.body or b"") == {"text": "“ä”"}
    assert SECRET not in f"{sent.url} {sent.body!r}"


def test_methods_that_read_get_a_form(slack: responses.RequestsMock) -> None:
    sent = responses.matchers.urlencoded_params_matcher({"channel": "C1", "limit": "50"})
    slack.post(f"{URL}/conversations.history", json={"ok": True}, match=[sent])
    api().read("conversations.history", channel="C1", limit="50")


@pytest.mark.parametrize(
    ("scopes", "method", "known", "expected"),
    [
        ("chat:write,channels:read", "conversations.info", {"is_member": True}, ""),
        ("", "conversations.info", {"is_member": True}, ""),
        ("chat:write, chat:write.public", "conversations.info", {"is_member": False}, ""),
        ("channels:read", "", {}, "chat:write"),
        ("chat:write", "conversations.info", {"is_member": False}, "invite the bot"),
        ("chat:write", "conversations.info", {"is_archived": True}, "unarchive"),
    ],
)
def test_a_probe_looks_at_scopes_and_membership(
    slack: responses.RequestsMock, scopes: str, method: str, known: dict[str, Any], expected: str
) -> None:
    from app.notifiers.slack.bot import SlackBot  # noqa: PLC0415 - the one test that needs it

    slack.post(f"{URL}/auth.test", json={"ok": True}, headers={"X-OAuth-Scopes": scopes})
    if method:
        slack.post(f"{URL}/{method}", json={"ok": True, "channel": known})
    made = SlackBot(f"xoxb-{SECRET}", "C0AWBALERTS")
    if not expected:
        made.probe()
        return
    with pytest.raises(NotifyError, match=expected):
        made.probe()


# What only the one who pressed a button sees.


@pytest.mark.parametrize(
    ("url", "api_url", "allowed"),
    [
        ("https://hooks.slack.com/actions/T1/2/3", URL, True),
        ("https://hooks.slack-gov.com/actions/T1/2/3", URL, True),
        ("http://hooks.slack.com/actions/T1/2/3", URL, False),
        ("https://hooks.slack.com.evil.example/x", URL, False),
        ("https://hooks.slack.com@evil.example/x", URL, False),
        ("https://hooks.slack.com:8443/x", URL, False),
        ("https://slack.com/x", URL, False),
        ("http://127.0.0.1:6379/", URL, False),
        ("http://127.0.0.1:8080/answer", "http://127.0.0.1:8080/api", True),
        ("http://127.0.0.1:6379/", "http://127.0.0.1:8080/api", False),
        ("https://[x", URL, False),
        ("", URL, False),
    ],
)
def test_answers_go_to_slack_only(url: str, api_url: str, allowed: bool) -> None:
    assert may_answer(url, api_url) is allowed


def test_an_answer_leaves_the_message_above_as_it_is(slack: responses.RequestsMock) -> None:
    slack.post(
        "https://hooks.slack.com/actions/x",
        body="ok",
        match=[responses.matchers.json_params_matcher(private("<!channel> & co."))],
    )
    answer("https://hooks.slack.com/actions/x", "<!channel> & co.")
    assert private("<!channel> & co.") == {
        "response_type": "ephemeral",
        "replace_original": False,
        "text": "&lt;!channel&gt; &amp; co.",
    }


@pytest.mark.parametrize("status", [408, 429, 500])
def test_an_answer_that_slack_does_not_take_fails_once(slack: responses.RequestsMock, status: int) -> None:
    slack.post("https://hooks.slack.com/actions/x", status=status)
    with pytest.raises(NotifyError):
        answer("https://hooks.slack.com/actions/x", "Thank you.")
