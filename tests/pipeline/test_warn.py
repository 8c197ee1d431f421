"""Warning: every level is announced once, and time, limits and periods do what an admin expects."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine

from app.core.alert.decision import Reason
from app.core.count.meter import AWB
from app.pipeline.watch.warn import warn
from app.store.alert.alerts import Alerts
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.streams import (
    DEPLOYMENT,
    announced,
    config_for,
    levels,
    outbox,
    resumes,
    run,
    to_slack_and_mail,
)
from tests.stored import unpacked

_SLACK = "http://127.0.0.1:1/services/T0SECRET/B0SECRET/very-secret"


@pytest.fixture
def settings(redis_server: RedisServer, world_clock: time_machine.Traveller) -> dict[str, Any]:
    return {"redis_url": redis_server.url, **to_slack_and_mail(_SLACK)}


def count_up_to(connection: "redis.Redis", config: Any, number: int) -> None:
    run(connection, config, resumes(number))


def reasons(connection: "redis.Redis", receiver: str = "slack") -> list[tuple[str, str]]:
    return [(row["reason"], row["level"]) for row in outbox(connection) if row["receiver"] == receiver]


def test_nothing_is_said_below_the_first_threshold(connection: "redis.Redis", settings: dict[str, Any]) -> None:
    count_up_to(connection, config_for(**settings), 14)
    assert outbox(connection) == []


def test_every_level_is_reported_to_every_receiver_once(connection: "redis.Redis", settings: dict[str, Any]) -> None:
    config = config_for(**settings)
    for number in range(1, 23):
        count_up_to(connection, config, number)
        count_up_to(connection, config, number)
        warn(Store(connection, DEPLOYMENT), config, AWB)
    told = [("first", "75%"), ("escalated", "90%"), ("escalated", "100%"), ("escalated", "110%")]
    assert announced(connection) == {
        (receiver, *one): 1 for one in told for receiver in ("slack", "email:ops@example.com")
    }


def test_a_message_names_its_moment_in_the_configured_time_zone(
    connection: "redis.Redis", settings: dict[str, Any]
) -> None:
    count_up_to(connection, config_for(**settings, time_zone="Asia/Tokyo"), 15)
    alert = Alerts(connection, DEPLOYMENT).last(AWB)
    assert alert is not None
    assert re.search(r"· \d{4}-\d\d-\d\d \d\d:\d\d JST ·", alert.footer)


def test_a_jump_over_several_levels_announces_the_highest_alone(
    connection: "redis.Redis", settings: dict[str, Any]
) -> None:
    config = config_for(**settings)
    count_up_to(connection, config, 12)
    count_up_to(connection, config, 21)
    assert reasons(connection) == [("first", "100%")]
    count_up_to(connection, config, 26)
    assert reasons(connection) == [("first", "100%"), ("escalated", "130%")]


def test_a_new_period_is_opened_by_a_summary_and_the_same_levels_are_announced_again(
    connection: "redis.Redis", settings: dict[str, Any], world_clock: time_machine.Traveller
) -> None:
    config = config_for(**settings, period="monthly")
    count_up_to(connection, config, 18)
    world_clock.move_to(datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    assert warn(Store(connection, DEPLOYMENT), config, AWB) == []
    world_clock.move_to(datetime(2026, 4, 1, tzinfo=UTC))
    assert [decision.reason for decision in warn(Store(connection, DEPLOYMENT), config, AWB)] == [Reason.SUMMARY]
    assert warn(Store(connection, DEPLOYMENT), config, AWB) == []
    april = [(name, f"a-{one}", at + 31 * 86_400, payload) for name, one, at, payload in resumes(18, "2" * 8)]
    run(connection, config, april)
    assert reasons(connection) == [("first", "90%"), ("summary", ""), ("first", "90%")]
    assert len({row["id"] for row in outbox(connection)}) == 6


def test_a_raised_limit_resolves_and_arms_the_levels_again(connection: "redis.Redis", settings: dict[str, Any]) -> None:
    config = config_for(**settings)
    count_up_to(connection, config, 20)
    raised = config_for(**settings | {"limit": 100})
    warn(Store(connection, DEPLOYMENT), raised, AWB)
    warn(Store(connection, DEPLOYMENT), raised, AWB)
    assert reasons(connection) == [("first", "100%"), ("resolved", "")]
    count_up_to(connection, raised, 75)
    assert reasons(connection) == [("first", "100%"), ("resolved", ""), ("first", "75%")]


def test_a_lowered_limit_announces_the_highest_level_once(connection: "redis.Redis", settings: dict[str, Any]) -> None:
    count_up_to(connection, config_for(**settings), 10)
    lowered = config_for(**settings | {"limit": 8})
    for _ in range(3):
        warn(Store(connection, DEPLOYMENT), lowered, AWB)
    assert reasons(connection) == [("first", "120%")]


def test_an_unlimited_deployment_is_never_warned(connection: "redis.Redis", settings: dict[str, Any]) -> None:
    config = config_for(**settings | {"limit": "unlimited"})
    count_up_to(connection, config, 40)
    assert outbox(connection) == []


def test_a_level_that_stays_is_repeated_as_often_as_configured(
    connection: "redis.Redis", settings: dict[str, Any], world_clock: time_machine.Traveller
) -> None:
    config = config_for(**settings, repeat_days=7)
    count_up_to(connection, config, 18)
    for _ in range(15):
        world_clock.shift(timedelta(days=1))
        warn(Store(connection, DEPLOYMENT), config, AWB)
        warn(Store(connection, DEPLOYMENT), config, AWB)
    assert reasons(connection) == [("first", "90%"), ("repeat", "90%"), ("repeat", "90%")]


def test_without_receivers_the_level_is_noted_and_nothing_is_queued(
    connection: "redis.Redis", redis_server: RedisServer, world_clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url)
    count_up_to(connection, config, 20)
    assert Alerts(connection, DEPLOYMENT).state(AWB)[1].level == "100%"
    assert outbox(connection) == []


def test_an_alert_is_a_snapshot_with_names_and_ids_fit_for_rq(
    connection: "redis.Redis", settings: dict[str, Any]
) -> None:
    config = config_for(**settings, thresholds="15 builds")
    count_up_to(connection, config, 15)
    count_up_to(connection, config, 17)
    row = connection.hgetall(f"awb:v1:{DEPLOYMENT}:notification:{outbox(connection)[0]['id']}")
    assert b"15 of 20" in row[b"alert"]
    assert b"ada 15" in row[b"alert"]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", row["id"]) for row in outbox(connection))
    assert levels(connection) == {"15 builds": 2}


def test_the_slack_url_is_nowhere_in_redis(connection: "redis.Redis", settings: dict[str, Any]) -> None:
    count_up_to(connection, config_for(**settings), 20)
    held = [key + connection.dump(key) for key in connection.scan_iter(count=1000)]
    hashes = [connection.hgetall(key).values() for key in connection.scan_iter(count=1000, _type="hash")]
    readable = [text for values in hashes for value in values for text in unpacked(value)]
    assert held
    assert not any(b"SECRET" in text or b"very-secret" in text for text in held + readable)
