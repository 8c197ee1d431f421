"""Throttled logins: who waits how long, over several processes."""

from datetime import UTC, datetime, timedelta
from multiprocessing.pool import ThreadPool

import pytest
import redis

from app.store import keys
from app.store.server.connection import connect
from app.store.throttle import FREE, FREE_IN_ALL, LONGEST_IN_ALL_SECONDS, LONGEST_SECONDS, Throttle
from tests.conftest import RedisServer

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


@pytest.fixture
def throttle(connection: "redis.Redis") -> Throttle:
    return Throttle(connection)


def fail_until_refused(throttle: Throttle, client: str, now: datetime = NOON) -> int:
    failures = 0
    while throttle.begin(client, now) == 0:
        failures += 1
    return failures


def test_five_failures_are_free(throttle: Throttle) -> None:
    assert fail_until_refused(throttle, "192.0.2.7") == FREE


def test_each_further_failure_doubles_the_delay_up_to_a_quarter_of_an_hour(throttle: Throttle) -> None:
    fail_until_refused(throttle, "192.0.2.7")
    now, waits = NOON, []
    for _ in range(13):
        waits.append(throttle.begin("192.0.2.7", now))
        now += timedelta(seconds=waits[-1])
        assert throttle.begin("192.0.2.7", now) == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]


def test_a_refused_attempt_does_not_lengthen_the_delay(throttle: Throttle) -> None:
    fail_until_refused(throttle, "192.0.2.7")
    assert {throttle.begin("192.0.2.7", NOON) for _ in range(50)} == {1.0}


def test_clients_wait_each_for_themselves(throttle: Throttle) -> None:
    fail_until_refused(throttle, "192.0.2.7")
    assert fail_until_refused(throttle, "192.0.2.8") == FREE


def test_many_clients_together_wait_but_only_a_minute(throttle: Throttle) -> None:
    for number in range(FREE_IN_ALL):
        assert throttle.begin(f"client {number}", NOON) == 0
    now = NOON
    for number in range(20):
        wait = throttle.begin(f"other {number}", now)
        assert wait == min(2**number, LONGEST_IN_ALL_SECONDS)
        now += timedelta(seconds=wait)
        assert throttle.begin(f"other {number}", now) == 0


def test_a_success_forgets_the_failures_of_the_client(throttle: Throttle) -> None:
    for _ in range(FREE):
        assert throttle.begin("192.0.2.7", NOON) == 0
    throttle.reset("192.0.2.7")
    assert fail_until_refused(throttle, "192.0.2.7") == FREE


def test_a_forgiven_attempt_is_none_and_the_others_stay(throttle: Throttle) -> None:
    for _ in range(FREE - 1):
        throttle.begin("192.0.2.7", NOON)
    for _ in range(50):
        assert throttle.begin("192.0.2.7", NOON) == 0
        throttle.forgive("192.0.2.7")
    assert fail_until_refused(throttle, "192.0.2.7") == 1


def test_successes_do_not_count_for_everybody(throttle: Throttle) -> None:
    for number in range(2 * FREE_IN_ALL):
        assert throttle.begin(f"client {number}", NOON) == 0
        throttle.reset(f"client {number}")


def test_many_at_once_get_no_more_guesses_than_one_after_another(redis_server: RedisServer, connection: object) -> None:
    throttles = [Throttle(connect(redis_server.url)) for _ in range(8)]
    with ThreadPool(8) as pool:
        waits = pool.starmap(
            lambda one, _: one.begin("192.0.2.7", NOON), [(one, i) for one in throttles for i in "abcdef"]
        )
    assert sum(wait == 0 for wait in waits) == FREE


def test_a_clock_set_back_locks_nobody_out_for_longer(throttle: Throttle) -> None:
    fail_until_refused(throttle, "192.0.2.7")
    assert throttle.begin("192.0.2.7", NOON - timedelta(days=300)) == LONGEST_SECONDS


def test_nothing_is_kept_for_ever(throttle: Throttle, connection: "redis.Redis") -> None:
    fail_until_refused(throttle, "192.0.2.7")
    throttle.forgive("192.0.2.7")
    throttle.forgive("192.0.2.99")
    found = list(connection.scan_iter(keys.throttle("*").replace("*", "?*")))
    assert len(found) == 2
    assert all(0 < connection.ttl(key) <= 3600 for key in found)
