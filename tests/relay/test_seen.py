"""What was passed on is seen by command, API, page and metrics, and what failed can be replayed there."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import time_machine

from app.answers.health import verdict
from app.core.finding import Result
from app.doctor.relaying import examine_relaying
from app.pipeline.relay.targetstatus import Condition, target_statuses
from tests.cli.conftest import call
from tests.conftest import SECRET, RedisServer, make_config
from tests.notifiers.httpsink import HttpSink, answer, sink
from tests.relay.world import RELAY_SECRET, World, to, with_forwards
from tests.web.make import count_all, notification

TARGET = "forward:sink"


@pytest.fixture
def there() -> Iterator[HttpSink]:
    with sink(answer(200)) as served:
        yield served


@pytest.fixture
def world(
    redis_server: RedisServer, connection: "redis.Redis", clock: time_machine.Traveller, there: HttpSink
) -> World:
    """One message was sent, one refused for good, one waits."""
    there.replies[:] = [answer(200), answer(422), answer(503)]
    made = World(connection, with_forwards(redis_server.url, to(there.port)), clock)
    for number in range(3):
        made.post(notification(f"m-{number}"))
    made.work()
    count_all(connection, made.config)
    there.replies[:] = [answer(200)]
    return made


def get(world: World, path: str, **query: str) -> Any:
    response = world.client.get(path, query_string=query)
    assert response.status_code == 200, response.text
    return response


def post(world: World, path: str, body: Any = None, form: Any = None) -> Any:
    token = world.client.get("/queues").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    if form is not None:
        return world.client.post(path, data={**form, "csrf_token": token})
    return world.client.post(path, json=body, headers={"X-CSRF-Token": token})


def states(answered: Any) -> list[tuple[str, str, int]]:
    return [(row["message_id"], row["state"], row["attempts"]) for row in answered["relays"]]


def test_the_api_shows_each_message_and_target(world: World) -> None:
    found = get(world, "/api/v1/relays").get_json()
    assert states(found) == [("m-2", "pending", 1), ("m-1", "failed", 1), ("m-0", "sent", 1)]
    assert found["relays"][1]["reason"] == "it answered 422"
    assert (found["relays"][2]["via"], found["relays"][2]["template"]) == ("webhook", "Task Resumed")
    [target] = found["targets"]
    assert (target["target"], target["condition"], target["pending"], target["failed_lately"]) == (
        TARGET,
        "failing",
        1,
        1,
    )
    failed = get(world, "/api/v1/relays", target=TARGET, state="failed").get_json()
    assert states(failed) == [("m-1", "failed", 1)]
    page = get(world, "/api/v1/relays", limit="2").get_json()
    assert states(get(world, "/api/v1/relays", limit="2", cursor=page["next"]).get_json()) == [("m-0", "sent", 1)]
    assert world.client.get("/api/v1/relays?state=failed").status_code == 400
    assert world.client.get("/api/v1/relays?target=nobody").status_code == 400


def test_a_delivery_says_where_it_went(world: World) -> None:
    one = get(world, "/api/v1/deliveries/m-1").get_json()
    assert [(relay["target"], relay["state"]) for relay in one["relays"]] == [(TARGET, "failed")]
    listed = get(world, "/api/v1/deliveries").get_json()["deliveries"]
    assert {row["message_id"]: row["relays"][0]["state"] for row in listed} == {
        "m-0": "sent", "m-1": "failed", "m-2": "pending",
    }  # fmt: skip
    page = get(world, "/deliveries/m-1").text
    assert "it answered 422" in page
    assert TARGET in page


def test_the_api_replays_what_failed(world: World, there: HttpSink) -> None:
    assert post(world, "/api/v1/relays/m-0/replay", {"target": TARGET}).status_code == 404
    assert post(world, "/api/v1/relays/m-1/replay", {"target": TARGET}).status_code == 202
    world.wait(60)
    assert json.loads(there.requests[-1].body)["msg_id"] == "m-1"
    assert world.state("m-1", TARGET)["state"] == "sent"
    assert any("replay relay" in entry["action"] for entry in get(world, "/api/v1/audit").get_json()["audit"])


def test_content_that_is_gone_cannot_be_replayed(world: World) -> None:
    world.connection.delete("awb:v1:prod:relay:original:m-1")
    assert post(world, "/api/v1/relays/m-1/replay", {"target": TARGET}).status_code == 409


def test_the_page_shows_and_replays_one_or_all(world: World) -> None:
    page = get(world, "/relays").text
    for text in ("it answered 422", "it answered 503", "failing", "Replay"):
        assert text in page
    assert "m-0" in page
    assert "Replay all" in get(world, "/relays", target=TARGET, state="failed").text
    assert post(world, "/relays/replay", form={"target": TARGET, "message_id": "m-1"}).status_code == 303
    assert "The message is retried." in get(world, "/relays", done="queued").text
    assert post(world, "/relays/replay", form={"target": "<x>", "message_id": "m-1"}).status_code == 404
    assert world.client.post("/relays/replay", data={"target": TARGET}).status_code == 403
    assert world.client.get("/relays?state=failed").status_code == 404
    assert world.client.get("/relays?cursor=x").status_code == 404
    assert post(world, "/relays/replay", form={"target": TARGET}).status_code == 303
    world.wait(30)
    assert {world.state(f"m-{number}", TARGET)["state"] for number in range(3)} == {"sent"}


def test_metrics_have_numbers_for_each_target(world: World) -> None:
    world.traveller.shift(60)
    text = get(world, "/metrics").text
    here, sink_ = 'deployment="prod"', 'target="forward:sink"'
    for line in (
        f'awb_relay_messages_total{{{here},outcome="sent",{sink_}}} 1.0',
        f'awb_relay_messages_total{{{here},outcome="failed",{sink_}}} 1.0',
        f'awb_relay_errors_total{{{here},reason="serverError",{sink_}}} 1.0',
        f"awb_relay_pending{{{here},{sink_}}} 1.0",
        f"awb_relay_oldest_age_seconds{{{here},{sink_}}} 60.0",
    ):
        assert line in text


def test_how_a_target_fares(world: World, there: HttpSink) -> None:
    assert verdict(world.store, world.config).of("relays.working", "forward:sink") is Result.ERROR
    [target] = target_statuses(world.store, world.config)
    summary = "Messages that failed within 24 h: 1: it answered 503"
    assert (target.condition, target.summary) == (Condition.FAILING, summary)
    there.replies[:] = [answer(500)]
    world.wait(1200)
    [target] = target_statuses(world.store, world.config)
    assert target.condition is Condition.LATE
    assert target.summary.startswith("Waiting messages: 1, the oldest for 20 min: it answered 500")
    assert verdict(world.store, world.config).of("relays.working", "forward:sink") is Result.WARNING
    there.replies[:] = [answer(200)]
    world.wait(86_400 + 1200)
    [target] = target_statuses(world.store, world.config)
    assert target.condition is Condition.OK


def test_doctor_warns_while_users_get_nothing(
    redis_server: RedisServer, connection: "redis.Redis", clock: time_machine.Traveller
) -> None:
    def findings(**settings: Any) -> dict[str, str]:
        config = make_config(redis_server.url, deployment="prod", relay_secret=RELAY_SECRET, **settings)
        return {one.check: one.message for one in examine_relaying(config, connection)}

    world = World(connection, make_config(redis_server.url, deployment="prod"), clock)
    world.post(notification("m-1"))
    count_all(connection, world.config)
    assert "relay.users" not in findings()
    world.post(notification("m-2", notification_name="User account created", notification_template_id=""))
    count_all(connection, world.config)
    assert "User account created" in findings()["relay.users"]
    mail = {"relay": "email", "smtp_url": "smtp://127.0.0.1:1?tls=none", "email_from": "a@example.com"}
    relaying = findings(**mail)
    assert "relay.users" not in relaying
    assert "the mail server does not accept mail" in relaying["relay.mail"]


def test_the_command_shows_and_replays(world: World, redis_server: RedisServer, there: HttpSink) -> None:
    environ = {
        "AWB_REDIS_URL": redis_server.url, "AWB_DEPLOYMENT": "prod", "AWB_RELAY_SECRET": RELAY_SECRET,
        "AWB_FORWARD": json.dumps([to(there.port)]), "AWB_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip
    shown = call("deliveries", **environ)
    assert shown.exit_code == 0, shown.output
    for text in ("m-0", "m-1", "m-2", "it answered 422", "failing", "sent", "pending"):
        assert text in shown.stdout
    told = json.loads(call("deliveries", "--state", "failed", "--target", TARGET, "--json", **environ).stdout)
    assert [row["message_id"] for row in told["relays"]] == ["m-1"]
    assert call("deliveries", "replay", "m-0", "--target", TARGET, **environ).exit_code == 1
    assert call("deliveries", "replay", "m-0", **environ).exit_code == 1
    replayed = call("deliveries", "replay", "--all-failed", "--target", TARGET, **environ)
    assert (replayed.exit_code, "1 queued for a retry" in replayed.stdout) == (0, True)
    world.wait(30)
    assert {world.state(f"m-{number}", TARGET)["state"] for number in range(3)} == {"sent"}


def test_old_messages_are_let_go_of(world: World, connection: "redis.Redis") -> None:
    world.store.relayviews.forget(world.later(10).timestamp())
    assert get(world, "/api/v1/relays").get_json()["relays"] == []
    assert connection.zcard("awb:v1:prod:relay:pending:forward:sink") == 1
