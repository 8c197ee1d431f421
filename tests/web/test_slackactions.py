import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
import structlog
from flask import Flask
from flask.testing import FlaskClient
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.test import TestResponse

from app.config.load import Config
from app.core.alert.alert import Notification
from app.core.alert.decision import AlertState, Reason
from app.core.alert.snooze import Target
from app.pipeline.notify.send import send
from app.store.alert.alerts import Alerts, Change
from app.store.alert.outbox import Outbox
from app.store.alert.silences import Silences
from app.store.server.connection import connect
from app.store.store import Store
from app.web import slackactions
from tests.conftest import RedisServer, make_config, wait_until
from tests.notifiers.samples import alert
from tests.notifiers.slacksink import CHANNEL, TOKEN, WebApi, web_api
from tests.pipeline.fragile import Fuse, fragile
from tests.web.make import everything

SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
PATH = "/v1/slack/actions"
SAID = alert()
SINCE = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
FIRING = AlertState("90%", date(2026, 1, 1), SINCE, SINCE, date(2099, 1, 1), 1000)
RECEIVER = f"slack:{CHANNEL}"


@pytest.fixture
def slack() -> Iterator[WebApi]:
    with web_api() as api:
        yield api


@pytest.fixture
def config(redis_server: RedisServer, slack: WebApi) -> Config:
    return make_config(
        redis_server.url,
        slack_bot_token=TOKEN,
        slack_channel=CHANNEL,
        slack_signing_secret=SIGNING,
        slack_admins="U1ADMIN,U2ADMIN",
        slack_api_url=slack.url,
    )


def client_of(config: Config, connection: "redis.Redis") -> FlaskClient:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = config.settings.max_body_bytes
    app.register_blueprint(slackactions.blueprint(config, connection))
    return app.test_client()


@pytest.fixture
def client(config: Config, connection: "redis.Redis") -> FlaskClient:
    return client_of(config, connection)


@pytest.fixture
def firing(connection: "redis.Redis", config: Config) -> Notification:
    """A warning that stands, sent to the channel."""
    first = Notification("first", RECEIVER, SINCE, SAID)
    assert Alerts(connection, "prod").announce("awb", 0, Change(FIRING, SINCE, SAID, "", [first]))
    assert send(Store(connection, "prod"), config, "first") is None
    return first


def now() -> int:
    return int(time.time())


def press(
    action: str = "acknowledge", user: str = "U1ADMIN", target: Target | None = None, **more: Any
) -> dict[str, Any]:
    value = (target or Target.of(SAID)).as_value()
    return {
        "type": "block_actions",
        "user": {"id": user, "username": "ada", "name": "ada", "team_id": "T1"},
        "actions": [{"type": "button", "block_id": "b", "action_id": action, "value": value, "action_ts": "1.0"}],
        "container": {"type": "message", "channel_id": CHANNEL},
        "response_url": "",
        **more,
    }


def form(payload: Any) -> bytes:
    return urlencode({"payload": payload if isinstance(payload, str) else json.dumps(payload)}).encode()


def signature(body: bytes, timestamp: str, secret: str = SIGNING) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()


def post(client: FlaskClient, body: bytes, timestamp: str = "", signed: str | None = None) -> TestResponse:
    timestamp = timestamp or str(now())
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature(body, timestamp) if signed is None else signed,
    }
    return client.post(PATH, data=body, headers=headers)


def text_of(response: TestResponse) -> str:
    assert response.status_code == 200
    answered = response.get_json()
    assert answered["response_type"] == "ephemeral"
    assert answered["replace_original"] is False
    return str(answered["text"])


def acknowledged(connection: "redis.Redis") -> bool:
    return Silences(connection, "prod").acknowledges("awb", FIRING)


def test_a_press_acknowledges_and_the_channel_is_notified(
    client: FlaskClient, connection: "redis.Redis", config: Config, slack: WebApi, firing: Notification
) -> None:
    asked = press(response_url=slack.url.replace("/api", "/answer"))
    assert text_of(post(client, form(asked))) == "Acknowledged. Thank you."
    assert acknowledged(connection)
    assert Alerts(connection, "prod").events()[0]["actor"] == "ada (Slack U1ADMIN)"
    wait_until(lambda: slack.answers)
    assert slack.answers[0]["text"] == "Acknowledged. Thank you."
    [queued] = [row["id"] for row in Outbox(connection, "prod").history() if row["state"] == "pending"]
    assert send(Store(connection, "prod"), config, queued) is None
    [root], [reply] = slack.roots, slack.replies
    assert "Acknowledged by ada (Slack U1ADMIN)" in json.dumps(root["blocks"])
    assert reply["text"].startswith("👀 Acknowledged by ada (Slack U1ADMIN)")


def test_nothing_is_sent_to_slack_before_the_answer(client: FlaskClient, slack: WebApi, firing: Notification) -> None:
    slack.calls.clear()
    post(client, form(press()))
    assert slack.calls == []


@pytest.mark.parametrize(("action", "days"), [("snooze_1d", 1), ("snooze_7d", 7), ("snooze_level", 366)])
def test_a_press_snoozes_for_as_long_as_its_label_says(
    client: FlaskClient, connection: "redis.Redis", firing: Notification, action: str, days: int
) -> None:
    text = text_of(post(client, form(press(action))))
    [made] = Silences(connection, "prod").all()
    assert round((made.ends_at - made.starts_at).total_seconds() / 86_400) == days
    assert dict(made.matchers) == {"alert": "awb", "level": "90%"}
    assert made.author == "ada (Slack U1ADMIN)"
    assert text.startswith("Snoozed until")


def test_a_second_press_says_so(client: FlaskClient, firing: Notification) -> None:
    post(client, form(press()))
    assert "already" in text_of(post(client, form(press(user="U2ADMIN"))))


def refusals() -> list[tuple[str, bytes, str, str]]:
    body, moment = form(press()), str(now())
    changed = bytearray(body)
    changed[-1] ^= 1
    return [
        ("the secret is another", body, moment, signature(body, moment, "another-secret-of-slack")),
        ("the body was changed by one byte", bytes(changed), moment, signature(body, moment)),
        ("the timestamp was changed", body, str(now() - 1), signature(body, moment)),
        ("it is six minutes old", body, str(now() - 360), signature(body, str(now() - 360))),
        ("it is six minutes ahead", body, str(now() + 360), signature(body, str(now() + 360))),
        ("the signature is cut", body, moment, signature(body, moment)[:-1]),
        ("the version is another", body, moment, signature(body, moment).replace("v0", "v1")),
        ("the signature is empty", body, moment, ""),
        ("the signature is no ASCII", body, moment, "v0=ä"),
        ("the timestamp is no number", body, "soon", signature(body, "soon")),
        ("the timestamp is a fraction", body, f"{now()}.5", signature(body, f"{now()}.5")),
        ("the timestamp is not finite", body, "inf", signature(body, "inf")),
        ("the timestamp is huge", body, "9" * 5000, signature(body, "9" * 5000)),
        ("the timestamp is negative", body, f"-{moment}", signature(body, f"-{moment}")),
        ("the body is no UTF-8", b"payload=\xff", moment, signature(b"payload=\xff", moment)),
    ]


@pytest.mark.parametrize("why", [row[0] for row in refusals()])
def test_what_slack_did_not_sign_is_refused_and_nothing_stored(
    client: FlaskClient, connection: "redis.Redis", why: str
) -> None:
    # Signed now, not when the tests were collected: minutes count.
    [(body, timestamp, signed)] = [row[1:] for row in refusals() if row[0] == why]
    before = everything(connection)
    assert post(client, body, timestamp, signed).status_code == 401
    assert everything(connection) == before


@pytest.mark.parametrize("missing", ["X-Slack-Request-Timestamp", "X-Slack-Signature"])
def test_a_missing_header_is_refused(client: FlaskClient, missing: str) -> None:
    body, moment = form(press()), str(now())
    headers = {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": signature(body, moment)}
    del headers[missing]
    assert client.post(PATH, data=body, headers=headers).status_code == 401


@pytest.mark.parametrize("seconds", [-290, 290])
def test_clocks_may_be_five_minutes_apart(client: FlaskClient, firing: Notification, seconds: int) -> None:
    assert text_of(post(client, form(press()), str(now() + seconds))).startswith("Acknowledged")


def test_the_same_request_is_not_taken_twice(
    client: FlaskClient, connection: "redis.Redis", firing: Notification
) -> None:
    body, moment = form(press("snooze_1d")), str(now())
    assert post(client, body, moment).status_code == 200
    [made] = Silences(connection, "prod").all()
    Silences(connection, "prod").end(made.id, "bob", datetime.now(UTC))
    assert post(client, body, moment).status_code == 401
    assert Silences(connection, "prod").active(datetime.now(UTC)) == []


def test_requests_are_remembered_longer_than_their_signatures_hold(
    client: FlaskClient, connection: Any, firing: Notification
) -> None:
    post(client, form(press()))
    [mark] = [key for key in connection.scan_iter() if b":once:slack-" in key]
    assert 600 < connection.ttl(mark) <= 660
    assert SIGNING.encode() not in mark


def test_a_request_whose_mark_was_set_twice_for_a_lost_answer_is_no_replay(
    config: Config, redis_server: RedisServer, connection: "redis.Redis", firing: Notification
) -> None:
    fuse = Fuse(where="after", heals=True)
    flaky = fragile(redis_server.url, fuse)
    flaky.connection_pool.connection_kwargs["retry"] = Retry(NoBackoff(), 1)
    flaky.ping()
    fuse.at = fuse.sent + 1
    assert text_of(post(client_of(config, flaky), form(press()))) == "Acknowledged. Thank you."
    assert fuse.blown


@pytest.mark.parametrize("action", ["acknowledge", "snooze_1d", "snooze_7d", "snooze_level"])
def test_others_than_the_admins_are_refused_and_written_down(
    client: FlaskClient, connection: "redis.Redis", firing: Notification, action: str
) -> None:
    before = Alerts(connection, "prod").events()
    with structlog.testing.capture_logs() as logged:
        text = text_of(post(client, form(press(action, user="U9OTHER"))))
    assert "not allowed" in text
    assert not acknowledged(connection)
    assert (Silences(connection, "prod").all(), Alerts(connection, "prod").events()) == ([], before)
    [line] = [line for line in logged if line.get("why") == "not in slack_admins"]
    assert (line["user"], line["action"]) == ("ada (Slack U9OTHER)", action)


def test_without_admins_nobody_is_allowed(redis_server: RedisServer, connection: "redis.Redis") -> None:
    closed = client_of(make_config(redis_server.url, slack_signing_secret=SIGNING), connection)
    assert "not allowed" in text_of(post(closed, form(press())))


@pytest.mark.parametrize(
    ("target", "word"),
    [
        (replace(Target.of(SAID), level="75%"), "at 90% now, no longer at 75%"),
        (replace(Target.of(SAID), group_key="prod:awb:2025-01-01"), "period that is over"),
        (replace(Target.of(SAID), alert="scope-1"), "resolved"),
        (replace(Target.of(SAID), deployment="staging"), "resolved"),
        (replace(Target.of(SAID), deployment="../x"), "another version"),
    ],
)
@pytest.mark.parametrize("action", ["acknowledge", "snooze_7d"])
def test_a_stale_press_is_answered_and_changes_nothing(
    client: FlaskClient, connection: "redis.Redis", firing: Notification, target: Target, word: str, action: str
) -> None:
    assert word in text_of(post(client, form(press(action, target=target))))
    assert not acknowledged(connection)
    assert Silences(connection, "prod").all() == []


def test_a_press_after_it_is_resolved_is_answered(
    client: FlaskClient, connection: "redis.Redis", firing: Notification
) -> None:
    over = replace(SAID, level="", previous="90%", reason=Reason.RESOLVED)
    assert Alerts(connection, "prod").announce("awb", 1, Change(replace(FIRING, level=""), SINCE, over))
    assert "resolved" in text_of(post(client, form(press())))


@pytest.mark.parametrize("value", ["", "null", "{}", "[" * 2000, '{"deployment":"prod"}'])
def test_a_value_of_another_version_is_answered(client: FlaskClient, firing: Notification, value: str) -> None:
    asked = press()
    asked["actions"][0]["value"] = value
    assert "another version" in text_of(post(client, form(asked)))


IGNORED = [
    press("open_0"),
    press("open_24"),
    press("somebody_elses"),
    press() | {"type": "view_submission"},
    press() | {"actions": []},
    press() | {"actions": None},
    press() | {"user": None},
    press() | {"user": {}},
    {"type": "block_actions"},
    {},
    [],
    None,
    "",
    "no json",
    '{"type":',
    "[" * 50_000,
    "1e999",
    "NaN",
]


@pytest.mark.parametrize("payload", IGNORED, ids=lambda value: str(value)[:40])
def test_what_is_no_press_of_ours_is_answered_and_ignored(
    client: FlaskClient, connection: "redis.Redis", payload: Any
) -> None:
    before = everything(connection)
    answered = post(client, form(payload))
    assert (answered.status_code, answered.get_json()) == (200, {})
    assert everything(connection) == before


@pytest.mark.parametrize("body", [b"", b"ssl_check=1", b"payload", b"&&&&", b"a=1&" * 20, b"payload=%ff", b"\x00"])
def test_a_body_without_a_press_is_answered_and_ignored(client: FlaskClient, body: bytes) -> None:
    assert post(client, body).status_code == 200


def test_a_body_that_is_too_long_is_refused(client: FlaskClient, config: Config) -> None:
    assert post(client, b"x" * (config.settings.max_body_bytes + 1)).status_code == 413


def test_a_body_of_unknown_length_is_refused(client: FlaskClient) -> None:
    options: dict[str, Any] = {"content_length": None, "input_stream": None}
    assert client.post(PATH, **options).status_code == 411


def test_there_are_no_buttons_without_a_signing_secret(redis_server: RedisServer, connection: "redis.Redis") -> None:
    closed = client_of(make_config(redis_server.url), connection)
    answered = post(closed, form(press()))
    assert answered.status_code == 404
    assert "AWB_SLACK_SIGNING_SECRET" in answered.get_json()["reason"]


def test_only_posts_are_taken(client: FlaskClient) -> None:
    assert client.get(PATH).status_code == 405


@pytest.mark.parametrize("name", ["<!channel>", "a\nb", "\u202eevil", "x" * 5000])
def test_a_users_name_is_one_harmless_line(
    client: FlaskClient, connection: "redis.Redis", firing: Notification, name: str
) -> None:
    post(client, form(press() | {"user": {"id": "U1ADMIN", "username": name}}))
    kept = Alerts(connection, "prod").events()[0]["actor"]
    assert len(kept) <= 100
    assert not {"\n", "\u202e"} & set(kept)


# What Redis does meanwhile.


@contextmanager
def hanging() -> Iterator[str]:
    """Take connections and say nothing, as a Redis that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_slack_is_answered_in_time_though_redis_hangs_and_the_outcome_follows(config: Config, slack: WebApi) -> None:
    with hanging() as url:
        client = client_of(config, connect(url))
        text = text_of(post(client, form(press(response_url=slack.url.replace("/api", "/answer")))))
    assert "longer than usual" in text
    # Slack gives up after three seconds.
    assert slackactions.ANSWER_WITHIN < 3
    wait_until(lambda: slack.answers)
    assert "could not be saved" in slack.answers[0]["text"]


def test_links_need_no_redis(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        client = client_of(config, connect(f"redis://127.0.0.1:{listener.getsockname()[1]}/0"))
        assert post(client, form(press("open_0"))).get_json() == {}
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_who_pressed_is_notified_that_redis_is_away(config: Config, slack: WebApi) -> None:
    client = client_of(config, connect("redis://127.0.0.1:1/0"))
    asked = press(response_url=slack.url.replace("/api", "/answer"))
    assert "could not be saved" in text_of(post(client, form(asked)))
    wait_until(lambda: slack.answers)
    assert "could not be saved" in slack.answers[0]["text"]


def test_answers_go_nowhere_but_to_slack(client: FlaskClient, slack: WebApi, firing: Notification) -> None:
    elsewhere = slack.url.replace("127.0.0.1", "localhost").replace("/api", "/answer")
    text_of(post(client, form(press(response_url=elsewhere))))
    text_of(post(client, form(press(response_url=slack.url.replace("/api", "/answer")))))
    wait_until(lambda: slack.answers)
    assert [found["text"] for found in slack.answers] == ["It was already acknowledged."]
