"""Sixteen processes at once: every level is announced once and every unit counted once."""

import multiprocessing
from typing import Any

import pytest
import redis

from tests.conftest import RedisServer
from tests.pipeline.streams import (
    Delivery,
    announced,
    books,
    config_for,
    count_and_warn,
    deliveries_of,
    messages_of,
    resumes,
    run,
    to_slack_and_mail,
    used,
)

_PROCESSES = 16


def race(url: str, settings: dict[str, Any], shares: list[list[list[Delivery]]]) -> None:
    """Let every process count its batches, all of them in step."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.pipeline.streams"])
    together = processes.Barrier(len(shares))
    children = [processes.Process(target=count_and_warn, args=(url, settings, work, together)) for work in shares]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * len(shares)


@pytest.fixture
def settings() -> dict[str, Any]:
    return to_slack_and_mail("http://127.0.0.1:1/services/T/B/x")


def test_sixteen_that_count_the_same_deliveries_count_and_announce_once(
    connection: "redis.Redis", redis_server: RedisServer, settings: dict[str, Any]
) -> None:
    steps = [[one] for one in resumes(22)]
    race(redis_server.url, settings, [steps] * _PROCESSES)
    assert used(connection) == 22
    levels = [("first", "75%"), ("escalated", "90%"), ("escalated", "100%"), ("escalated", "110%")]
    assert announced(connection) == {
        (receiver, *level): 1 for level in levels for receiver in ("slack", "email:ops@example.com")
    }


@pytest.mark.parametrize("seed", range(2))
def test_sixteen_that_share_a_stream_keep_the_same_books_as_one(
    connection: "redis.Redis", redis_server: RedisServer, settings: dict[str, Any], seed: int
) -> None:
    deliveries = deliveries_of(messages_of(seed, 160, failures=False))
    config = config_for(redis_server.url, **settings)
    run(connection, config, deliveries)
    alone = books(connection)
    connection.flushall()
    rounds = len(deliveries) // _PROCESSES
    shares = [[[one] for one in deliveries[number * rounds : (number + 1) * rounds]] for number in range(_PROCESSES)]
    race(redis_server.url, settings, shares)
    run(connection, config, deliveries[_PROCESSES * rounds :])
    assert books(connection) == alone
    told = announced(connection)
    assert set(told.values()) == {1}
    # Units come several at a time here, so that levels may be jumped over, but the highest is always told.
    highest = f"{used(connection) * 100 // 20 // 10 * 10}%"
    assert {receiver for receiver, _, level in told if level == highest} == {"slack", "email:ops@example.com"}
