"""A process may die at any command: what it left undone is done later, and nothing is done twice."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
import time_machine

from app.pipeline.count.count import count
from app.pipeline.notify.send import CLAIM_SECONDS, send
from app.pipeline.watch.sweep import sweep
from app.simulator.sinks import SlackSink
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.fragile import Fuse, Where, fragile
from tests.pipeline.streams import (
    DEPLOYMENT,
    announced,
    books,
    config_for,
    deliveries_of,
    messages_of,
    outbox,
    resumes,
    run,
    to_slack_and_mail,
)

pytestmark = pytest.mark.usefixtures("world_clock")
_SLACK = "http://127.0.0.1:1/services/T/B/x"


def commands_of(url: str, work: Callable[["redis.Redis"], object]) -> int:
    fuse = Fuse()
    work(fragile(url, fuse))
    return fuse.sent


def crash(url: str, fuse: Fuse, work: Callable[["redis.Redis"], object]) -> None:
    with pytest.raises(redis.exceptions.ConnectionError):
        work(fragile(url, fuse))


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("seed", range(3))
def test_counting_and_warning_survive_a_crash_at_any_command(
    connection: "redis.Redis", redis_server: RedisServer, world_clock: time_machine.Traveller, seed: int, where: Where
) -> None:
    config = config_for(redis_server.url, **to_slack_and_mail(_SLACK), limit=4)
    deliveries = deliveries_of(messages_of(seed, 25, failures=False))
    earlier, batch = deliveries[:5], deliveries[5:]

    def work(through: "redis.Redis") -> None:
        run(through, config, batch)

    run(connection, config, earlier)
    commands = commands_of(redis_server.url, work)
    whole, told = books(connection), announced(connection)
    assert commands > 6
    assert told
    for at in range(1, commands + 1):
        connection.flushall()
        run(connection, config, earlier)
        crash(redis_server.url, Fuse(at, where), work)
        work(connection)
        # A notification that was saved, and whose job was not queued any more, is overdue then.
        world_clock.shift(timedelta(minutes=1))
        sweep(connection, config)
        world_clock.shift(-timedelta(minutes=1))
        assert books(connection) == whole
        assert announced(connection) == told
        queued = [item.decode() for item in connection.lrange("rq:queue:awb-notifications", 0, -1)]
        assert sorted(queued) == sorted(f"notification-{DEPLOYMENT}-{row['id']}" for row in outbox(connection))


@pytest.mark.parametrize("where", ["before", "after"])
def test_sending_survives_a_crash_at_any_command_and_doubles_only_behind_the_answer(
    connection: "redis.Redis", redis_server: RedisServer, world_clock: time_machine.Traveller, where: Where
) -> None:
    with SlackSink() as slack:
        config = config_for(redis_server.url, slack_webhook_url=slack.url, limit=1)

        def fresh() -> str:
            connection.flushall()
            slack.posts.clear()
            run(connection, config, resumes(1))
            [row] = outbox(connection)
            return str(row["id"])

        send(Store(connection, DEPLOYMENT), config, fresh())  # so that Redis knows every script
        identity = fresh()
        commands = commands_of(redis_server.url, lambda through: send(Store(through, DEPLOYMENT), config, identity))
        assert len(slack.messages) == 1
        doubled = []
        for at in range(1, commands + 1):
            identity = fresh()
            crash(redis_server.url, Fuse(at, where), lambda c, i=identity: send(Store(c, DEPLOYMENT), config, i))
            before = len(slack.messages)
            claimed, done = (outbox(connection)[0][name] for name in ("attempts", "sent_at"))
            if claimed and not done:
                world_clock.shift(timedelta(seconds=CLAIM_SECONDS - 1))
                assert send(Store(connection, DEPLOYMENT), config, identity) is None
                assert len(slack.messages) == before
                world_clock.shift(timedelta(seconds=1))
            send(Store(connection, DEPLOYMENT), config, identity)
            send(Store(connection, DEPLOYMENT), config, identity)
            assert outbox(connection)[0]["state"] == "sent"
            doubled.append(len(slack.messages) - 1)
        # The one command behind the answer is the mark; lost before it is written, the message goes out again.
        assert doubled == [0] * (commands - 1) + [1 if where == "before" else 0]


def test_the_sweep_survives_a_crash_at_any_command(
    connection: "redis.Redis", redis_server: RedisServer, world_clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, **to_slack_and_mail(_SLACK))
    run(connection, config, resumes(18))
    connection.delete("rq:queue:awb-notifications", *connection.scan_iter(match="rq:job:*", count=1000))
    world_clock.shift(timedelta(minutes=1))
    sweep(connection, config)  # so that Redis knows every script
    world_clock.shift(-timedelta(minutes=1))

    def lose_jobs() -> None:
        connection.flushall()
        run(connection, config, resumes(18))
        connection.delete("rq:queue:awb-notifications", *connection.scan_iter(match="rq:job:*", count=1000))

    lose_jobs()
    world_clock.shift(timedelta(minutes=1))
    commands = commands_of(redis_server.url, lambda through: sweep(through, config))
    expected = sorted(connection.lrange("rq:queue:awb-notifications", 0, -1))
    assert len(expected) == 2
    for at in range(1, commands + 1):
        for where in ("before", "after"):
            world_clock.shift(-timedelta(minutes=1))
            lose_jobs()
            world_clock.shift(timedelta(minutes=1))
            crash(redis_server.url, Fuse(at, where), lambda through: sweep(through, config))
            for _ in range(2):
                sweep(connection, config)
            assert sorted(connection.lrange("rq:queue:awb-notifications", 0, -1)) == expected
            assert set(announced(connection).values()) == {1}


def test_a_crash_between_ledger_and_warning_is_made_good_by_the_sweep_at_the_latest(
    connection: "redis.Redis", redis_server: RedisServer
) -> None:
    config = config_for(redis_server.url, **to_slack_and_mail(_SLACK))
    count(connection, config, resumes(18))
    assert outbox(connection) == []
    sweep(connection, config)
    assert {row["level"] for row in outbox(connection)} == {"90%"}
