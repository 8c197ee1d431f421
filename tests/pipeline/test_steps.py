"""What is broken in one deployment, meter or alert stops nothing else, and an operator sees it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from rq.timeouts import JobTimeoutException

from app import clock
from app.config.load import Config
from app.core.count.meter import AWB
from app.doctor.examine import examine
from app.pipeline.usage import active_meters
from app.pipeline.watch.escalate import escalate
from app.pipeline.watch.steps import SHOWN, SweepSteps, describe, each
from app.pipeline.watch.sweep import recount_all, sweep
from app.store import keys
from app.store.alert.alerts import Alerts
from app.store.alert.outbox import Outbox
from app.store.steps import Steps, note_swept, swept_at
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.streams import config_for, resumes, run

_ROUTES = '[{"receivers": ["slack"], "name": "boss", "escalate_after_hours": 1, "escalate_to": ["slack"]}]'


@pytest.fixture
def config(redis_server: RedisServer, world_clock: time_machine.Traveller) -> Config:
    return config_for(redis_server.url, slack_webhook_url="http://127.0.0.1:1/x", routes=_ROUTES)


def used_up(connection: Any, config: Config, *deployments: str) -> None:
    """Let each deployment reach its limit without a warning, as if a process died before it."""
    for deployment in deployments:
        run(connection, config, [(deployment, *rest) for _, *rest in resumes(20)])
        connection.sadd(keys.DEPLOYMENTS, deployment)


def rows(connection: "redis.Redis", deployment: str) -> list[tuple[str, str]]:
    return sorted((row["alert"], row["reason"]) for row in Outbox(connection, deployment).history())


def failing(connection: "redis.Redis", deployment: str) -> list[str]:
    return sorted(name for name, one in Steps(connection, deployment).failures().items() if one.over_at is None)


def test_a_state_that_cannot_be_read_stops_neither_other_steps_nor_other_deployments(
    connection: Any, config: Config, world_clock: time_machine.Traveller
) -> None:
    used_up(connection, config, "first", "second", "third")
    connection.hset(keys.alert("first", AWB), "s", "{")
    world_clock.shift(timedelta(hours=2))
    connection.delete("rq:queue:awb-notifications", *connection.scan_iter(match="rq:job:*"))
    sweep(connection, config)
    assert rows(connection, "first") == [("awb", "first")]
    assert rows(connection, "second") == rows(connection, "third") == [("awb", "first"), ("awb", "unacknowledged")]
    # Its messages are sent again all the same, and what is due later is evaluated.
    queued = {job.decode() for job in connection.lrange("rq:queue:awb-notifications", 0, -1)}
    assert {job.split("-")[1] for job in queued} == {"first", "second", "third"}
    assert failing(connection, "first") == ["escalate", "warn awb"]
    assert failing(connection, "second") == []
    assert float(connection.hget(keys.MARKS, "last_sweep_at")) == clock.now().timestamp()


def test_one_alert_that_cannot_be_read_keeps_no_other_from_being_escalated(
    connection: Any, config: Config, world_clock: time_machine.Traveller
) -> None:
    used_up(connection, config, "first")
    connection.sadd(keys.firing("first"), "a-broken", "z-broken")
    connection.hset(keys.alert("first", "a-broken"), mapping={"s": "[]", "v": 1})
    connection.hset(keys.alert("first", "z-broken"), mapping={"a": '"', "v": 1})
    world_clock.shift(timedelta(hours=2))
    with pytest.raises(ExceptionGroup) as caught:
        escalate(Store(connection, "first"), config)
    assert len(caught.value.exceptions) == 2
    assert rows(connection, "first") == [("awb", "first"), ("awb", "unacknowledged")]


def test_meters_that_cannot_be_found_leave_the_one_that_is_counted_here(
    connection: Any, redis_server: RedisServer, world_clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, coder_url="http://127.0.0.1:1", coder_token="t", deployment="prod")
    connection.hset(keys.coder("prod"), "entitlements", "{")
    with pytest.raises(ValueError, match="Entitlements"):
        active_meters(Store(connection, "prod"), config)
    sweep(connection, config)
    assert "find meters" in failing(connection, "prod")
    assert "warn awb" in failing(connection, "prod")


def test_a_step_is_shown_by_doctor_while_it_fails_and_for_a_day_after(
    connection: Any, config: Config, world_clock: time_machine.Traveller
) -> None:
    def said() -> list[tuple[str, str]]:
        found = examine(config, connection)
        return [(one.outcome.value, one.message) for one in found if one.check == "sweep.warn-awb"]

    used_up(connection, config, "first")
    begun = clock.now()
    sound = connection.hget(keys.alert("first", AWB), "s")
    connection.hset(keys.alert("first", AWB), "s", "{")
    for _ in range(3):
        sweep(connection, config)
        world_clock.shift(timedelta(minutes=1))
    [(outcome, says)] = said()
    assert outcome == "error"
    assert f"first: the step “warn awb” of the sweep has failed since {begun:%Y-%m-%d %H:%M} UTC" in says
    assert "Error at app." in says
    connection.hset(keys.alert("first", AWB), "s", sound)
    sweep(connection, config)
    [(outcome, says)] = said()
    assert outcome == "warning"
    assert f"failed until {begun + timedelta(minutes=2):%Y-%m-%d %H:%M} UTC" in says
    world_clock.shift(SHOWN + timedelta(minutes=1))
    sweep(connection, config)
    assert said() == []


def test_what_failed_says_where_and_nothing_of_what_is_stored(connection: Any, config: Config) -> None:
    used_up(connection, config, "first")
    connection.hset(keys.alert("first", AWB), "s", '{"level": "secret-name", "since": "secret-name"}')
    sweep(connection, config)
    failure = Steps(connection, "first").failures()["warn awb"]
    assert "secret-name" not in failure.error
    assert "Error at app." in failure.error


def test_a_redis_that_is_away_is_no_failure_of_a_step(connection: Any) -> None:
    def away() -> None:
        raise RedisConnectionError

    def refused() -> None:
        raise ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")

    steps = SweepSteps(Store(connection, "first"))
    with pytest.raises(RedisConnectionError):
        steps.perform("look", away)
    steps.perform("look", refused)
    assert failing(connection, "first") == ["look"]
    with pytest.raises(RedisConnectionError):
        each({"one": away}, lambda do: do())


def test_a_deployment_that_takes_all_of_the_time_comes_last_the_next_time(
    connection: Any, config: Config, world_clock: time_machine.Traveller
) -> None:
    def too_long() -> None:
        raise JobTimeoutException

    steps = SweepSteps(Store(connection, "first"))
    note_swept(connection, "first", clock.now())
    with pytest.raises(JobTimeoutException):
        steps.perform("watch scopes", too_long)
    assert failing(connection, "first") == ["watch scopes"]
    assert swept_at(connection, ["first", "second"]) == {"first": clock.now().timestamp(), "second": 0}
    used_up(connection, config, "first", "second")
    world_clock.shift(timedelta(minutes=1))
    connection.hset(keys.alert("first", AWB), "s", "{")
    sweep(connection, config)
    assert rows(connection, "second") == [("awb", "first")]
    with pytest.raises(JobTimeoutException):
        each({"one": too_long}, lambda do: do())


def test_a_step_that_is_performed_no_longer_is_forgotten(connection: Any, config: Config) -> None:
    used_up(connection, config, "first")
    Steps(connection, "first").failed("warn a meter that went", "ValueError", datetime(2026, 1, 1, tzinfo=UTC))
    connection.hset(keys.failures("first"), "warn awb", "no JSON")
    sweep(connection, config)
    assert failing(connection, "first") == []


def test_a_deployment_that_cannot_be_recounted_keeps_no_other_from_it(connection: Any, config: Config) -> None:
    used_up(connection, config, "first", "second")
    for deployment in ("first", "second"):
        connection.delete(keys.alert(deployment, AWB))
    connection.hset(keys.alert("first", AWB), "s", "{")
    with pytest.raises(ExceptionGroup):
        recount_all(connection, config, "fingerprint")
    assert Alerts(connection, "second").state(AWB)[1].level
    # Not noted, so that it is tried again.
    assert connection.hget(keys.MARKS, "ai_templates") is None


def test_an_error_from_elsewhere_is_described_by_its_kind() -> None:
    assert describe(KeyError("secret-name")) == "KeyError"
