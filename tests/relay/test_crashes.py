"""A process may die at any command: what was accepted reaches its target, in order."""

import json
from typing import Any

import pytest
import redis
import time_machine

from app.pipeline.relay.work import work_lane
from app.store.store import Store
from tests.conftest import RedisServer
from tests.notifiers.httpsink import answer, sink
from tests.notifiers.mailserver import MailServer, running
from tests.pipeline.fragile import Fuse, Where, fragile
from tests.relay.world import World, to, with_forwards
from tests.web.make import notification

LANE = "forward:sink"


def ids(there: Any) -> list[str]:
    return [json.loads(request.body)["msg_id"] for request in there.requests]


@pytest.mark.parametrize("where", ["before", "after"])
def test_forwarding_survives_a_crash_at_any_command_and_doubles_only_behind_the_answer(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller, where: Where
) -> None:
    with sink(answer(200)) as there:
        world = World(connection, with_forwards(redis_server.url, to(there.port)), clock)

        def fresh() -> None:
            connection.flushall()
            there.requests.clear()
            for number in range(2):
                assert world.post(notification(f"m-{number}")) == "accepted"

        def work(fuse: Fuse) -> None:
            work_lane(Store(fragile(redis_server.url, fuse), "prod"), world.config, LANE)

        fresh()
        work(Fuse())  # so that Redis knows every script
        fresh()
        whole = Fuse()
        work(whole)
        assert ids(there) == ["m-0", "m-1"]
        doubled = 0
        for at in range(1, whole.sent + 1):
            fresh()
            with pytest.raises(redis.exceptions.ConnectionError):
                work(Fuse(at, where))
            world.wait(120)
            order = ids(there)
            assert list(dict.fromkeys(order)) == ["m-0", "m-1"]
            assert len(order) <= 3
            doubled += len(order) - 2
            assert world.originals() == []
            assert connection.exists("awb:v1:prod:relay:lanes", "awb:v1:prod:relay:held") == 0
            assert {world.state(f"m-{number}", LANE)["state"] for number in range(2)} == {"sent"}
        # The note of each message's end is the one command behind its answer.
        assert doubled == (2 if where == "before" else 0)


def test_accepting_is_one_command_with_forwards_as_without(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller
) -> None:
    tables = [to(1, f"sink-{number}") for number in range(5)]
    world = World(connection, with_forwards(redis_server.url, *tables), clock)
    world.post(notification("m-0"))
    connection.config_resetstat()
    for number in range(1, 4):
        world.post(notification(f"m-{number}"))
    stats: Any = connection.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()}
    # What a script does shows among the commands as well; only from outside come these.
    assert calls["evalsha"] == 3
    assert {"eval", "multi", "exec"} & calls.keys() == set()
    assert calls["rpush"] == 3 + 3 * 5
    assert connection.llen("rq:queue:awb-forward") == 5


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("limit", [30, 1])
def test_mail_survives_a_crash_at_any_command_and_doubles_only_behind_the_answer(
    connection: "redis.Redis", redis_server: RedisServer, clock: time_machine.Traveller, where: Where, limit: int
) -> None:
    """With a limit of one, the second and third message are summed up."""
    with running(MailServer()) as mail:
        settings = {
            "relay": "email",
            "relay_limit": limit,
            "smtp_url": f"smtp://127.0.0.1:{mail.port}?tls=none",
            "email_from": "coder@example.com",
        }
        world = World(connection, with_forwards(redis_server.url, **settings), clock)

        def fresh() -> str:
            connection.flushall()
            mail.mails.clear()
            for number in range(3):
                assert world.post(notification(f"m-{number}", user_email="ada@example.com")) == "accepted"
            return str(connection.zrange("awb:v1:prod:relay:lanes", 0, -1)[0].decode())  # type: ignore[index]

        def work(lane: str, fuse: Fuse) -> None:
            work_lane(Store(fragile(redis_server.url, fuse), "prod"), world.config, lane)

        work(fresh(), Fuse())  # so that Redis knows every script
        lane, whole = fresh(), Fuse()
        work(lane, whole)
        world.wait(700)
        undisturbed = len(mail.mails)
        assert undisturbed == (3 if limit == 30 else 2)
        for at in range(1, whole.sent + 1):
            lane = fresh()
            with pytest.raises(redis.exceptions.ConnectionError):
                work(lane, Fuse(at, where))
            world.wait(900)
            assert {world.state(f"m-{number}", "relay")["state"] for number in range(3)} == {"sent"}
            assert undisturbed <= len(mail.mails) <= undisturbed + 1
            assert world.originals() == []
            assert connection.exists("awb:v1:prod:relay:lanes", "awb:v1:prod:relay:held") == 0
