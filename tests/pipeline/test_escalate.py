"""Escalation: what nobody acknowledges is told to somebody else, once for each level."""

from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine

from app import clock
from app.core.count.meter import AWB
from app.pipeline.operate.silence import create_silence
from app.pipeline.watch.escalate import escalate
from app.store.alert.alerts import Alerts
from app.store.alert.silences import Acknowledgement, Silences
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.streams import DEPLOYMENT, config_for, outbox, resumes, run

ROUTES = (
    '[{"receivers": ["slack"], "kinds": ["threshold"], "name": "boss", "escalate_after_hours": 4, '
    '"escalate_to": ["email:*"]}]'
)


@pytest.fixture
def config(redis_server: RedisServer, world_clock: time_machine.Traveller) -> Any:
    mail = {"smtp_url": "smtp://127.0.0.1:1?tls=none", "email_from": "a@b.test", "email_to": "boss@example.com"}
    return config_for(redis_server.url, slack_webhook_url="http://127.0.0.1:1/x", **mail, routes=ROUTES)


def told(connection: "redis.Redis") -> list[tuple[str, str, str]]:
    return [(row["receiver"], row["reason"], row["level"]) for row in outbox(connection)]


def test_after_the_time_the_next_one_is_reported_once_for_each_level(
    connection: "redis.Redis", config: Any, world_clock: time_machine.Traveller
) -> None:
    run(connection, config, resumes(18))
    assert told(connection) == [("slack", "first", "90%")]
    world_clock.shift(timedelta(hours=4, seconds=-1))
    assert escalate(Store(connection, DEPLOYMENT), config) == []
    world_clock.shift(timedelta(seconds=1))
    assert escalate(Store(connection, DEPLOYMENT), config) == ["awb boss"]
    assert escalate(Store(connection, DEPLOYMENT), config) == []
    assert told(connection)[1:] == [("email:boss@example.com", "unacknowledged", "90%")]
    assert "Nobody has acknowledged it within 4 hours." in Alerts(connection, DEPLOYMENT).events()[0]["because"]
    run(connection, config, resumes(20))
    world_clock.shift(timedelta(hours=5))
    assert escalate(Store(connection, DEPLOYMENT), config) == ["awb boss"]
    assert told(connection)[2:] == [
        ("slack", "escalated", "100%"),
        ("email:boss@example.com", "unacknowledged", "100%"),
    ]


def test_what_somebody_acknowledged_is_not_escalated_until_the_next_level(
    connection: "redis.Redis", config: Any, world_clock: time_machine.Traveller
) -> None:
    run(connection, config, resumes(18))
    _, state = Alerts(connection, DEPLOYMENT).state(AWB)
    Silences(connection, DEPLOYMENT).acknowledge(Acknowledgement(AWB, "90%", state.since, "ada", clock.now()))
    world_clock.shift(timedelta(days=1))
    assert escalate(Store(connection, DEPLOYMENT), config) == []
    run(connection, config, resumes(20))
    world_clock.shift(timedelta(days=1))
    assert escalate(Store(connection, DEPLOYMENT), config) == ["awb boss"]


def test_what_is_silenced_or_resolved_is_not_escalated(
    connection: "redis.Redis", config: Any, redis_server: RedisServer, world_clock: time_machine.Traveller
) -> None:
    run(connection, config, resumes(18))
    until = clock.now() + timedelta(days=2)
    create_silence(Store(connection, DEPLOYMENT), {"level": "90%"}, until, "ada", "")
    world_clock.shift(timedelta(days=1))
    assert escalate(Store(connection, DEPLOYMENT), config) == []
    world_clock.shift(timedelta(days=2))
    assert escalate(Store(connection, DEPLOYMENT), config) == ["awb boss"]


def test_what_routes_do_not_escalate_stays_with_its_receivers(
    connection: "redis.Redis", redis_server: RedisServer, world_clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, slack_webhook_url="http://127.0.0.1:1/x")
    run(connection, config, resumes(18))
    world_clock.shift(timedelta(days=9))
    assert escalate(Store(connection, DEPLOYMENT), config) == []
