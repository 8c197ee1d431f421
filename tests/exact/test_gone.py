"""Coder from v2.37 on has no tasks: of builds there is only the notice, and the successors are metered."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app.config.load import Config
from app.core.count.era import NO_LONGER_COUNTED
from app.core.count.meter import AWB
from app.core.finding import Result
from app.pipeline.operate.codercheck import check
from app.pipeline.usage import active_meters
from app.pipeline.watch import digests
from app.pipeline.watch.sweep import sweep
from app.simulator.licence import AgentHours, Licence, Seats
from app.store.alert.alerts import Alerts
from app.store.store import Store
from app.web.factory import create_app
from tests.conftest import RedisServer, make_config
from tests.exact.play import DEPLOYMENT
from tests.exact.stage import Stage, day, licence, on_stage, tasks

GONE = (2, 37, 0)
HOURS = AgentHours(limit=100, soft_limit=80, hard_limit=120, used_ms=91 * 3_600_000)


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    """Everything that can speak about builds is switched on."""
    return make_config(
        redis_server.url,
        coder_url="http://127.0.0.1:1",
        coder_token="unused",
        slack_webhook_url="http://127.0.0.1:1/services/T/B/x",
        scopes='[{"by": "user", "limit": 1}]',
        burst='{"builds": 2, "hours": 24}',
        digest="weekly,monthly",
    )


@pytest.fixture
def stage(connection: "redis.Redis", config: Config) -> Iterator[Stage]:
    with on_stage(connection, config) as opened:
        yield opened


def upgrade(stage: Stage) -> None:
    stage.world.upgrade(GONE)
    stage.world.agent_hours, stage.world.ai_seats = HOURS, Seats(50, 20)
    stage.world.pass_time(10)
    stage.look()


def everything_said(stage: Stage) -> set[str]:
    """Evaluate all there is for five weeks, a day at a time, and return the kinds and meters of what was said."""
    for _ in range(35):
        stage.world.pass_time(24 * 60)
        stage.look()
        with stage.now():
            sweep(stage.connection, stage.config)
            digests.watch(Store(stage.connection, DEPLOYMENT), stage.config)
        stage.notices()
    rows = stage.sent()
    keys = [stage.connection.hget(f"awb:v1:{DEPLOYMENT}:notification:{row['id']}", "alert") for row in rows]
    alerts = [json.loads(key) for key in keys]
    return {f"{one['kind']} {subject(one)}" for one in alerts}


def subject(alert: dict[str, Any]) -> str:
    """Name the meter, or the notice without the digest of its words."""
    name = str(alert["name"])
    if alert["kind"] != "notice":
        return str(alert["meter"])
    return "notice-licence" if name.startswith("notice-licence") else name


def build_over(stage: Stage, of: Licence, builds: int) -> None:
    """Use so many builds in an earlier version, of which this meter saw and said nothing."""
    stage.world.licence = of
    tasks(stage.world, builds)
    stage.forget()
    stage.world.pass_time(10)


@pytest.mark.parametrize(
    ("of", "builds"), [(licence(2), 3), (licence(entitled=False), 5), (licence(0), 5), (licence(1000), 5)]
)
def test_a_fresh_meter_says_of_builds_only_that_they_are_no_longer_counted(
    stage: Stage, of: Licence, builds: int
) -> None:
    build_over(stage, of, builds)
    upgrade(stage)
    of_the_successors = {"threshold agent_runtime_hours", "notice notice-licence"}
    assert everything_said(stage) == {"notice notice-tasks-gone", *of_the_successors}
    usage = stage.usage()
    assert (usage.gone, usage.limit.count, usage.coder_actual, usage.drift) == (True, None, None, None)


def test_without_the_upgrade_the_same_builds_are_spoken_of(stage: Stage) -> None:
    build_over(stage, licence(2), 3)
    stage.look()
    assert everything_said(stage) >= {"threshold awb", "digest awb"}


def test_what_was_announced_before_the_upgrade_is_forgotten_without_a_word(stage: Stage) -> None:
    stage.world.licence = licence(2)
    tasks(stage.world, 3)
    stage.look()
    with stage.now():
        sweep(stage.connection, stage.config)
    alerts = Alerts(stage.connection, DEPLOYMENT)
    assert AWB in alerts.firing()
    before = {row["id"] for row in stage.sent()}
    upgrade(stage)
    everything_said(stage)
    assert [name for name in alerts.firing() if not name.startswith("notice-")] == ["agent_runtime_hours"]
    said = [row for row in stage.sent() if row["id"] not in before]
    assert {row["headline"].partition(":")[0] for row in said if "Agent Workspace Builds" in row["headline"]} == {
        "Agent Workspace Builds are no longer counted by this Coder"
    }


def test_after_a_return_to_an_earlier_version_builds_are_spoken_of_again(stage: Stage) -> None:
    build_over(stage, licence(2), 3)
    upgrade(stage)
    assert active_meters(Store(stage.connection, DEPLOYMENT), stage.config) == [
        "agent_runtime_hours",
        "ai_governance_seats",
    ]
    stage.world.version = (2, 36, 3)
    stage.look()
    assert AWB in active_meters(Store(stage.connection, DEPLOYMENT), stage.config)
    assert stage.warn() == [("first", "150%")]


def test_a_licence_that_ran_out_is_still_said(stage: Stage) -> None:
    stage.world.licence = licence(10, day(0), day(1))
    stage.world.upgrade(GONE)
    stage.world.advance_to(day(1))
    stage.look()
    assert {key.partition("-")[0] for key in stage.notices()} == {"tasks", "licence"}


def client(stage: Stage) -> FlaskClient:
    return create_app(stage.config, stage.connection).test_client()


def test_page_api_and_metrics_tell_no_limit_of_builds_but_the_successors(stage: Stage) -> None:
    build_over(stage, licence(2), 3)
    upgrade(stage)
    with stage.now():
        asking = client(stage)
        page = asking.get("/").get_data(as_text=True)
        usage, forecast, alerts = (asking.get(f"/api/v1/{name}").get_json() for name in ("usage", "forecast", "alerts"))
        coder = asking.get("/api/v1/coder").get_json()
        metrics = asking.get("/metrics").get_data(as_text=True)
        periods = asking.get("/periods")
    assert NO_LONGER_COUNTED in page
    assert "91</strong> <span>of 100 Coder Agent runtime hours" in page
    for wrong in ("3 of 2", "Over the limit", "Critical", "of unlimited used", "Forecast."):
        assert wrong not in page
    gone: dict[str, Any] = {"used": 3, "limit": None, "percent": None, "alert": None, "gone": True}
    assert {name: usage[name] for name in gone} == gone
    assert usage["notes"] == [NO_LONGER_COUNTED]
    assert (forecast["words"], forecast["confident"], forecast["breach"]) == (NO_LONGER_COUNTED, False, None)
    assert AWB not in {alert["name"] for alert in alerts["alerts"]}
    assert {meter["meter"]: meter["used"] for meter in coder["meters"]} == {
        "agent_runtime_hours": 91,
        "ai_governance_seats": 20,
    }
    assert f'meter="{AWB}"' not in metrics
    assert 'awb_usage{deployment="default",meter="agent_runtime_hours"} 91.0' in metrics
    assert periods.status_code == 200


def test_the_check_of_coder_says_it_once_and_warns_of_no_missing_builds(stage: Stage) -> None:
    stage.world.licence = licence(entitled=False)
    upgrade(stage)
    with stage.now():
        found = {one.check: one for one in check(stage.connection, stage.config, stage.api)}
    assert "no longer counted" in found["coder.version"].message
    assert found["coder.licence"].outcome is Result.OK


def test_the_period_of_builds_that_is_over_is_kept(stage: Stage) -> None:
    stage.world.licence = licence(2, day(-10), day(5))
    tasks(stage.world, 3)
    stage.look()
    stage.world.advance_to(day(6))
    stage.world.licence = licence(2, day(5), day(5) + timedelta(days=365))
    upgrade(stage)
    with stage.now():
        listed = client(stage).get("/api/v1/periods").get_json()["periods"]
    assert [(one["used"], one["limit"]) for one in listed] == [(0, None), (3, None)]
