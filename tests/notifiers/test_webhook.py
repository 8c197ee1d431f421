import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import time_machine

from app.core.alert.alert import Alert
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.webhook import SignedWebhook, body, signature
from tests.notifiers.httpsink import answer, raw, sink
from tests.notifiers.samples import SNAPSHOTS, charted, notification

RAW_KEY = b"a key of thirty-two bytes for us"
KEY = base64.b64encode(RAW_KEY).decode()
NOW = datetime(2026, 5, 4, 9, 31, 5, tzinfo=UTC)


def webhook(port: int, secret: str = KEY) -> SignedWebhook:
    return SignedWebhook(f"http://127.0.0.1:{port}/hook", secret)


def test_the_signature_is_that_of_the_specifications_own_libraries() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", [KEY, f"whsec_{KEY}"])
def test_what_arrives_can_be_checked_with_id_time_and_secret(secret: str) -> None:
    with sink(answer(204)) as server, time_machine.travel(NOW, tick=False):
        webhook(server.port, secret).send(notification())
    (request,) = server.requests
    signed = f"awb-prod-90.{int(NOW.timestamp())}.".encode() + request.body
    expected = base64.b64encode(hmac.new(RAW_KEY, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-id"] == "awb-prod-90"
    assert request.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert request.headers["content-type"] == "application/json"
    assert (request.method, request.path) == ("POST", "/hook")


def test_a_retry_has_the_same_id_and_body_and_a_time_of_its_own() -> None:
    with sink(answer(503), answer(200)) as server:
        with time_machine.travel(NOW, tick=False), pytest.raises(NotifyError):
            webhook(server.port).send(notification())
        with time_machine.travel(NOW.replace(hour=10), tick=False):
            webhook(server.port).send(notification(), retry=True)
    first, second = server.requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_the_body_is_the_reviewed_one() -> None:
    shown = replace(charted(), burn_up=charted().burn_up[::60])
    told = json.loads(body(notification(shown)))
    assert json.loads((SNAPSHOTS / "webhook_warning.json").read_text("utf-8")) == told


def test_the_alert_can_be_read_back() -> None:
    told = json.loads(body(replace(notification(charted()), stands_in_for="slack")))["data"]
    assert (told.pop("id"), told.pop("stands_in_for")) == ("awb-prod-90", "slack")
    assert Alert.from_json(json.dumps(told)) == charted()


def test_a_body_stays_small_with_the_longest_burn_up() -> None:
    assert len(charted().burn_up) > 120
    assert len(body(notification(charted()))) < 20_000


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "short", "whsec_c2hvcnQ=", "not base64 hunter2!" * 3, "ü" * 40, "QUJD" * 40]
)
def test_without_a_usable_secret_nothing_is_sent(secret: str) -> None:
    with pytest.raises(ValueError, match="openssl rand") as caught:
        SignedWebhook("https://alerts.example.com/", secret)
    assert caught.value.__context__ is None
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize("url", ["", "alerts.example.com", "ftp://h/SECRETPATH", "https:///SECRETPATH", "https://*/x"])
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="whole URL") as caught:
        SignedWebhook(url, KEY)
    assert "SECRETPATH" not in f"{caught.value!r} {caught.value.__context__!r}"


@pytest.mark.parametrize("status", [200, 204, 400, 401, 405, 429, 500, 501, 503])
def test_a_probe_is_content_with_any_server_that_answers(status: int) -> None:
    with sink(raw(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())) as server:
        webhook(server.port).probe()
    assert [request.method for request in server.requests] == ["HEAD"]
    assert server.requests[0].body == b""


@pytest.mark.parametrize("status", [301, 308, 404, 410])
def test_a_probe_fails_where_nothing_would_be_taken(status: int) -> None:
    with sink(answer(status)) as server, pytest.raises(NotifyError) as caught:
        webhook(server.port).probe()
    assert (caught.value.reason, caught.value.permanent) == (FailureReason.CLIENT_ERROR, True)


def test_a_server_that_says_gone_is_named_so() -> None:
    with sink(answer(410)) as server, pytest.raises(NotifyError, match="gone"):
        webhook(server.port).send(notification())
