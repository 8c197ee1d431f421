"""A lane is in one worker's hands at a time, also when the one before comes back late."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from app.store import keys
from app.store.relay.relays import Relays

LANE = "forward:sink"
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def relays(connection: "redis.Redis") -> Relays:
    connection.rpush(keys.relay_lane("prod", LANE), "m-1")
    connection.zadd(keys.relay_lanes("prod"), {LANE: NOW.timestamp()})
    return Relays(connection, "prod")


def test_a_lane_that_somebody_has_is_not_claimed_until_the_claim_is_over(relays: Relays) -> None:
    assert relays.claim(LANE, NOW, later(60))
    assert not relays.claim(LANE, later(59), later(119))
    assert relays.claim(LANE, later(60), later(120))


def test_who_comes_back_late_does_not_release_a_lane_that_another_worker_has_taken_over(relays: Relays) -> None:
    assert relays.claim(LANE, NOW, later(60))
    assert relays.claim(LANE, later(61), later(121))
    assert not relays.leave(LANE, later(60), later(62))
    assert not relays.claim(LANE, later(63), later(123))
    assert relays.leave(LANE, later(121), later(64))
    assert relays.claim(LANE, later(65), later(125))
