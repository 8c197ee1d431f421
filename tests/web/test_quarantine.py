"""Bodies that are no notification are put aside: answered 2xx, listed with their reason, and never repeated."""

import json
import logging
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app import logs
from app.config.load import Config
from app.store import keys
from app.store.receive.inbox import QUARANTINE_KEPT, Inbox
from tests.web.make import answer, basic, count_all, everything, notification, payload_file

PLANTED = "planted-7f3a9c"
PASSCODE_TEMPLATE = "62f86a30-2330-4b61-a26d-311ff3b608cf"
NO_ID = "`msg_id` is missing or not an id"
NO_PAYLOAD = "no object `payload`: is this Coder's webhook method?"
NO_NAME = "`payload` names no notification_template_id and no notification_name"


def envelope(**more: Any) -> bytes:
    return json.dumps({"_version": "1.1", "msg_id": "m1", "x": PLANTED, **more}).encode()


MALFORMED = [
    ("words", PLANTED.encode(), "not valid JSON (JSONDecodeError)"),
    ("half", notification()[:-1] + PLANTED.encode(), "not valid JSON (JSONDecodeError)"),
    ("two", notification() * 2, "not valid JSON (JSONDecodeError)"),
    ("no UTF-8", b'{"a": "\xff\xfe' + PLANTED.encode() + b'"}', "not valid JSON (UnicodeDecodeError)"),
    ("nothing but zeros", b"\0" * 100, "not valid JSON (JSONDecodeError)"),
    ("NaN", b'{"a": NaN, "b": "%s"}' % PLANTED.encode(), "not valid JSON (ValueError)"),
    ("infinity", b'{"a": 1e999, "b": "%s"}' % PLANTED.encode(), "not valid JSON (ValueError)"),
    ("huge number", b'{"a": ' + b"1" * 5000 + b"}", "not valid JSON (ValueError)"),
    ("deep", b'{"a":' * 50_000, "JSON is nested too deeply"),
    ("a list", json.dumps([PLANTED]).encode(), "the body is JSON, but not an object"),
    ("a string", json.dumps(PLANTED).encode(), "the body is JSON, but not an object"),
    ("null", b"null", "the body is JSON, but not an object"),
    ("no payload", envelope(), NO_PAYLOAD),
    ("payload is a list", envelope(payload=[PLANTED]), NO_PAYLOAD),
    ("payload is null", envelope(payload=None), NO_PAYLOAD),
    ("another sender", json.dumps({"event": "push", "ref": PLANTED}).encode(), NO_PAYLOAD),
    ("no name", envelope(payload={"labels": {"a": PLANTED}}), NO_NAME),
    ("name is a number", envelope(payload={"notification_name": 7, "a": PLANTED}), NO_NAME),
    *(
        (f"id {message_id!r:.20}", notification(message_id, user_name=PLANTED), NO_ID)
        for message_id in (
            None, "", 7, True, [], {}, "a b", "a:b", "a/b", "../../x", "ä", "x" * 65, "a\n", "\0", "%s", "*",
            "a.b", " a",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_what_is_no_notification_is_put_aside_with_the_reason(
    client: FlaskClient, connection: "redis.Redis", body: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    response = client.post("/v1/webhook", headers=basic(), data=body)
    told = response.get_json()
    assert (response.status_code, told["status"], told["reason"]) == (202, "quarantined", reason)
    rows = Inbox(connection, "default").quarantined()
    assert [(row["message_id"], row["reason"], row["bytes"]) for row in rows] == [
        (told["message_id"], reason, len(body))
    ]
    assert connection.exists("rq:queue:awb-deliveries") == 0
    shown = response.get_data(as_text=True) + str(rows) + "".join(capfd.readouterr())
    assert PLANTED not in shown


def test_the_body_is_kept_for_an_admin_to_look_at(client: FlaskClient, connection: "redis.Redis") -> None:
    told = client.post("/v1/webhook", headers=basic(), data=PLANTED.encode()).get_json()
    kept: Any = connection.hget(keys.quarantined("default", told["message_id"]), "body")
    assert kept == PLANTED.encode()
    assert 0 < connection.ttl(keys.quarantined("default", told["message_id"])) <= 90 * 86_400


def test_the_same_body_again_is_the_same_row(client: FlaskClient, connection: "redis.Redis") -> None:
    for _ in range(3):
        assert answer(client.post("/v1/webhook", headers=basic(), data=b"{")) == (202, "quarantined")
    client.post("/v1/webhook", headers=basic(), data=b"[")
    assert len(Inbox(connection, "default").quarantined()) == 2


def test_the_header_names_it_where_it_is_an_id(client: FlaskClient) -> None:
    ids = {}
    for header in ("in-header", "not an id", "a:b"):
        response = client.post("/v1/webhook", headers={**basic(), "X-Message-Id": header}, data=b"{")
        ids[header] = response.get_json()["message_id"]
    assert ids["in-header"] == "in-header"
    assert ids["not an id"] == ids["a:b"]
    assert ids["a:b"].startswith("sha256-")


def test_a_body_put_aside_does_not_block_the_notification_with_its_id(client: FlaskClient) -> None:
    headers = {**basic(), "X-Message-Id": "m1"}
    assert answer(client.post("/v1/webhook", headers=headers, data=b"{")) == (202, "quarantined")
    assert answer(client.post("/v1/webhook", headers=headers, data=notification("m1"))) == (202, "accepted")


def test_only_the_newest_are_kept(client: FlaskClient, connection: "redis.Redis") -> None:
    for number in range(QUARANTINE_KEPT + 25):
        client.post("/v1/webhook", headers=basic(), data=f"no json {number}".encode())
    assert len(Inbox(connection, "default").quarantined(1000)) == QUARANTINE_KEPT
    assert b"no json 15" not in everything(connection).splitlines()
    assert b"no json 35" in everything(connection).splitlines()
    assert len(list(connection.scan_iter("awb:v1:default:quarantined:*"))) == QUARANTINE_KEPT


MAY_HOLD_A_PASSCODE = [
    ("broken JSON", b'{"payload": {"labels": {"one_time_passcode": "%s"}}'),
    ("no id", b'{"payload": {"notification_name": "One-Time Passcode", "labels": {"one_time_passcode": "%s"}}}'),
    ("in capitals", b'{"LABELS": {"ONE_TIME_PASSCODE": "%s"}'),
    ("by template", b'{"payload": {"notification_template_id": "' + PASSCODE_TEMPLATE.encode() + b'", "text": "%s"}}'),
    ("in a link", b"https://coder.example.com/reset-password/change?otp=%s"),
]


@pytest.mark.parametrize("body", [row[1] for row in MAY_HOLD_A_PASSCODE], ids=[row[0] for row in MAY_HOLD_A_PASSCODE])
def test_of_a_body_that_may_hold_a_passcode_nothing_is_kept(
    client: FlaskClient, connection: "redis.Redis", body: bytes
) -> None:
    body = body % PLANTED.encode()
    told = client.post("/v1/webhook", headers=basic(), data=body).get_json()
    assert told["status"] == "quarantined"
    assert PLANTED not in json.dumps(told)
    assert PLANTED.encode() not in everything(connection)
    assert [row["message_id"] for row in Inbox(connection, "default").quarantined()] == [told["message_id"]]


OTHER_TEMPLATE = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("as_template", [PASSCODE_TEMPLATE, PASSCODE_TEMPLATE.upper(), OTHER_TEMPLATE])
def test_a_passcode_is_in_no_key_no_log_and_no_answer(
    client: FlaskClient,
    connection: "redis.Redis",
    config: Config,
    as_template: str,
    capfd: pytest.CaptureFixture[str],
    logging_restored: None,
) -> None:
    """Also not when Coder gives the notification another id: its name and its labels tell."""
    logs.configure("json", "debug")
    body = json.dumps(payload_file("one_time_passcode"))
    code = payload_file("one_time_passcode")["payload"]["labels"]["one_time_passcode"]
    body = body.replace(PASSCODE_TEMPLATE, as_template)
    assert body.count(code) >= 3
    told = [client.post("/v1/webhook", headers=basic(), data=body).get_json() for _ in range(2)]
    assert [row["status"] for row in told] == ["accepted", "duplicate"]
    before = everything(connection)
    count_all(connection, config)
    logging.getLogger("tests").warning("the end")
    shown = json.dumps(told) + "".join(capfd.readouterr())
    assert "the end" in shown
    for place in (shown.encode(), before, everything(connection)):
        assert code.encode() not in place
        assert b"ada@example.com" not in place
    found = Inbox(connection, "default").delivery(told[0]["message_id"])
    assert found is not None
    assert code not in json.dumps(found)
