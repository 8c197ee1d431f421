"""Other webhooks get what Coder sent, each once, in order, whatever they answer."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine

from app.core.relay.original import VIA
from app.pipeline.relay.work import work_lane
from app.store.rq import jobqueue
from tests.conftest import RedisServer, make_config
from tests.notifiers.httpsink import answer, hang_up, sink
from tests.relay.world import RELAY_SECRET, World, to, with_forwards
from tests.web.make import count_all, everything, notification
from tests.workers.make import NOTHING, jobs_in

PASSCODE = "4711f00d-0000-4000-8000-123456789abc"
SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def passcode(message_id: str = "otp-1") -> bytes:
    return notification(
        message_id,
        notification_name="One-Time Passcode",
        notification_template_id="62f86a30-2330-4b61-a26d-311ff3b608cf",
        labels={"one_time_passcode": PASSCODE},
        actions=[{"label": "Reset password", "url": f"https://coder.example.com/reset?otp={PASSCODE}"}],
    )


def ids(received: Any) -> list[str]:
    return [json.loads(request.body)["msg_id"] for request in received.requests]


@pytest.fixture
def make(redis_server: RedisServer, connection: "redis.Redis", clock: time_machine.Traveller) -> Any:
    def build(*forwards: Any, **settings: Any) -> World:
        return World(connection, with_forwards(redis_server.url, *forwards, **settings), clock)

    return build


def test_the_body_goes_on_byte_for_byte_with_its_id_and_type(make: Any) -> None:
    body = b'{ "msg_id":"m-1",\t"payload" : {"notification_name":"Task Resumed","labels":{"a":"gr\\u00fc\xc3\x9f"}}} \n'
    with sink(answer(202)) as there:
        world = make(to(there.port))
        assert world.post(body, X_Message_Id="header-1", Content_Type="application/json; charset=utf-8") == "accepted"
        world.drain()
        [request] = there.requests
        assert (request.method, request.path, request.body) == ("POST", "/hook", body)
        assert request.headers["x-message-id"] == "header-1"
        assert request.headers["content-type"] == "application/json; charset=utf-8"
        assert request.headers["host"] == f"127.0.0.1:{there.port}"
        assert "authorization" not in request.headers
    assert world.state("m-1", "forward:sink") | {"at": ""} == {
        "state": "sent", "attempts": "1", "reason": "", "at": "", "via": "webhook", "lane": "forward:sink",
    }  # fmt: skip
    assert world.originals() == []
    assert jobs_in(world.connection, jobqueue.FORWARD) == NOTHING


def test_a_delivery_that_comes_twice_goes_on_once(make: Any) -> None:
    with sink(answer(200)) as there:
        world = make(to(there.port))
        assert [world.post(notification("m-1")) for _ in range(3)] == ["accepted", "duplicate", "duplicate"]
        world.work()
        assert ids(there) == ["m-1"]


def test_it_goes_to_each_target_whose_templates_name_it_and_is_counted(make: Any) -> None:
    with sink(answer(200)) as tasks, sink(answer(200)) as by_id, sink(answer(200)) as users:
        world = make(
            to(tasks.port, "tasks", templates=["task *"]),
            to(by_id.port, "by-id", templates="A2EB2D60-90a6-45ff-9c4b-d7cfcfb8a06e"),
            to(users.port, "users", templates=["User *", "Workspace *"]),
        )
        world.post(notification("m-1"))
        count_all(world.connection, world.config)
        world.work()
        assert [len(one.requests) for one in (tasks, by_id, users)] == [1, 1, 0]
    assert world.store.inbox.delivery("m-1") is not None
    assert world.originals() == []


def test_a_target_that_is_down_for_an_hour_gets_everything_in_order_once_it_returns(make: Any) -> None:
    with sink(answer(503)) as there, sink(answer(200)) as other:
        world = make(to(there.port), to(other.port, "other"))
        for number in range(7):
            world.post(notification(f"m-{number}"))
            world.wait(600)
        assert set(ids(there)) == {"m-0"}
        assert world.state("m-0", "forward:sink")["reason"] == "it answered 503"
        assert ids(other) == [f"m-{number}" for number in range(7)]
        asked = len(there.requests)
        assert 8 < asked < 20
        there.replies[:] = [answer(200)]
        world.wait(900)
        assert ids(there)[asked:] == [f"m-{number}" for number in range(7)]
    assert world.originals() == []


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 429, 500, 502, 503])
def test_whatever_an_admin_may_mend_is_tried_again(make: Any, status: int) -> None:
    with sink(answer(status, headers={"Location": "http://127.0.0.1:1/elsewhere"}), answer(200)) as there:
        world = make(to(there.port))
        world.post(notification("m-1"))
        world.work()
        assert world.state("m-1", "forward:sink")["state"] == "pending"
        world.wait(60)
        assert ids(there) == ["m-1", "m-1"]
        assert world.state("m-1", "forward:sink")["state"] == "sent"


def test_a_target_that_hangs_up_is_tried_again(make: Any) -> None:
    with sink(hang_up, answer(200)) as there:
        world = make(to(there.port))
        world.post(notification("m-1"))
        world.wait(60)
        assert ids(there) == ["m-1", "m-1"]


def test_one_body_that_is_refused_is_dead_letter_at_once_and_the_next_ones_go_on(make: Any) -> None:
    with sink(answer(422), answer(200)) as there:
        world = make(to(there.port))
        for number in range(3):
            world.post(notification(f"m-{number}"))
        world.work()
        assert ids(there) == ["m-0", "m-1", "m-2"]
        assert world.state("m-0", "forward:sink")["state"] == "failed"
        assert world.originals() == ["m-0"]
        assert world.store.relays.again("m-1", "forward:sink", world.now()) == 0
        assert world.store.relays.again("m-0", "forward:sink", world.now()) == 1
        world.work()
        assert ids(there)[3:] == ["m-0"]
        assert world.state("m-0", "forward:sink")["state"] == "sent"
    assert world.originals() == []


def test_after_a_day_it_is_dead_letter_and_may_be_replayed_until_its_original_goes(make: Any) -> None:
    with sink(answer(500)) as there:
        world = make(to(there.port), forward_keep_hours=30)
        world.post(notification("m-1"))
        world.wait(23.5 * 3600)
        assert world.state("m-1", "forward:sink")["state"] == "pending"
        world.wait(3600)
        assert world.state("m-1", "forward:sink")["state"] == "failed"
        assert world.connection.ttl("awb:v1:prod:relay:original:m-1") > 0
        assert world.store.relays.again("m-1", "forward:sink", world.now()) == 1
        there.replies[:] = [answer(200)]
        world.work()
        assert world.state("m-1", "forward:sink")["state"] == "sent"
        world.post(notification("m-2"))
        world.connection.delete("awb:v1:prod:relay:original:m-2")
        world.work()
        assert world.state("m-2", "forward:sink")["state"] == "failed"
        assert world.store.relays.again("m-2", "forward:sink", world.now()) == -1


def test_a_passcode_is_forwarded_only_where_that_is_asked_for(make: Any) -> None:
    with sink(answer(200)) as usual, sink(answer(200)) as trusted:
        world = make(to(usual.port), to(trusted.port, "trusted", passcodes=True))
        world.post(passcode())
        assert 0 < world.connection.ttl("awb:v1:prod:relay:original:otp-1") <= 1200
        assert PASSCODE.encode() not in everything(world.connection)
        world.work()
        assert (len(usual.requests), len(trusted.requests)) == (0, 1)
        assert PASSCODE.encode() in trusted.requests[0].body
    assert world.originals() == []


def test_nothing_of_what_waits_is_in_redis_in_plain_text(make: Any) -> None:
    with sink(answer(500)) as there:
        world = make(to(there.port))
        world.post(notification("m-1", user_email="ada@example.com", labels={"task": "write a poem for ada"}))
        world.work()
        held = everything(world.connection)
        assert world.originals() == ["m-1"]
        for secret in (b"ada@example.com", b"poem", b"Ada Example"):
            assert secret not in held


def test_requests_are_signed_and_let_in_by_what_the_files_hold(make: Any, tmp_path: Path) -> None:
    for name, content in (("secret", f"whsec_{SECRET}\n"), ("token", "t0ken\n"), ("header", "X-Api-Key: k3y\n")):
        (tmp_path / name).write_text(content)
    files = {"secret_file": "secret", "bearer_file": "token", "header_file": "header"}
    with sink(answer(200)) as there:
        world = make(to(there.port, **{key: str(tmp_path / name) for key, name in files.items()}))
        world.post(notification("m-1"))
        world.work()
        [request] = there.requests
    assert request.headers["authorization"] == "Bearer t0ken"
    assert request.headers["x-api-key"] == "k3y"
    signed = f"m-1.{request.headers['webhook-timestamp']}.".encode() + request.body
    digest = hmac.digest(base64.b64decode(SECRET), signed, hashlib.sha256)
    assert request.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert request.headers["webhook-id"] == "m-1"


def test_user_and_password_of_the_url_become_basic_authentication(make: Any) -> None:
    with sink(answer(200)) as there:
        world = make(to(there.port, url=f"http://coder:p%40ss@127.0.0.1:{there.port}/x?sig=1"))
        world.post(notification("m-1"))
        world.work()
        [request] = there.requests
    assert request.path == "/x?sig=1"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"coder:p@ss").decode()


def test_a_flow_of_power_automate_gets_the_path_with_its_signature_as_it_is(make: Any) -> None:
    """Its URL is the secret; it takes JSON and answers 202."""
    query = "api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=x-Y_z"
    path = f"/workflows/0a1b/triggers/manual/paths/invoke?{query}"
    with sink(answer(202)) as there:
        world = make(to(there.port, "teams", url=f"http://127.0.0.1:{there.port}{path}"))
        body = notification("m-1")
        world.post(body)
        world.work()
        [request] = there.requests
    assert (request.path, request.body) == (path, body)
    assert request.headers["content-type"] == "application/json"
    assert world.state("m-1", "forward:teams")["state"] == "sent"
    assert b"sig=" not in everything(world.connection)


def test_what_comes_back_is_not_forwarded_again(make: Any) -> None:
    """Its message id stops it in one deployment; the header stops it in the others as well."""
    with sink(answer(200)) as there:
        world = make(to(there.port))
        world.post(notification("m-1"))
        world.work()
        via = there.requests[0].headers[VIA.lower()]
        assert world.post(notification("m-1"), "/v1/webhook/other", X_AWB_Via=via) == "accepted"
        assert world.post(notification("m-2"), X_AWB_Via="a, b, c, d, e") == "accepted"
        assert world.post(notification("m-3"), X_AWB_Via="another-meter") == "accepted"
        world.work()
        assert ids(there) == ["m-1", "m-3"]
        assert there.requests[1].headers[VIA.lower()] == f"another-meter, {via}"


def test_without_allow_private_nothing_goes_to_this_machine(make: Any) -> None:
    with sink(answer(200)) as there:
        world = make(to(there.port, allow_private=False))
        world.post(notification("m-1"))
        world.work()
        assert there.requests == []
    assert "allow_private" in world.state("m-1", "forward:sink")["reason"]


def test_a_worker_that_dies_in_the_midst_costs_nothing(make: Any) -> None:
    """Its hold on the lane ends, and the scheduler brings the lane back."""
    with sink(answer(200)) as there:
        world = make(to(there.port))
        for number in range(3):
            world.post(notification(f"m-{number}"))
        relays = world.store.relays
        now = world.now()
        assert relays.claim("forward:sink", now, world.later(75))
        assert relays.first("forward:sink") is not None
        world.work()
        assert there.requests == []
        world.wait(60)
        assert there.requests == []
        world.wait(30)
        assert ids(there) == ["m-0", "m-1", "m-2"]
    assert world.state("m-0", "forward:sink")["attempts"] == "2"


def test_a_job_too_many_hurries_no_lane_that_waits_for_its_time(make: Any) -> None:
    with sink(answer(500)) as there:
        world = make(to(there.port))
        world.post(notification("m-1"))
        world.work()
        for _ in range(3):
            work_lane(world.store, world.config, "forward:sink")
        assert len(there.requests) == 1
        world.wait(10)
        assert len(there.requests) == 2


def test_a_target_that_is_no_longer_configured_gets_nothing_more(make: Any, redis_server: RedisServer) -> None:
    with sink(answer(500)) as there:
        world = make(to(there.port))
        world.post(notification("m-1"))
        work_lane(world.store, with_forwards(redis_server.url, to(there.port, "another")), "forward:sink")
    assert world.state("m-1", "forward:sink")["reason"] == "The target is no longer configured."


def test_another_secret_than_the_one_that_sealed_is_said(make: Any, redis_server: RedisServer) -> None:
    with sink(answer(200)) as there:
        world = make(to(there.port))
        world.post(notification("m-1"))
        other = with_forwards(redis_server.url, to(there.port), relay_secret=RELAY_SECRET + "x")
        work_lane(world.store, other, "forward:sink")
        assert there.requests == []
    assert "AWB_RELAY_SECRET" in world.state("m-1", "forward:sink")["reason"]


def test_where_nothing_is_forwarded_accepting_writes_nothing_of_it(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    world = World(connection, make_config(redis_server.url), clock)
    world.post(notification("m-1"))
    assert not any(b":relay:" in key for key in connection.scan_iter())
