"""Coder's own number, its limits and its warnings, as the entitlements tell them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.coder.shapes import Entitlements
from app.simulator.api.entitlements import entitlements
from app.simulator.licence import UNLIMITED, AgentHours, Licence, Seats, UsageEvent
from app.simulator.world import World

BLOCKED = (
    "You have built more workspaces with managed agents than your license allows."
    " Further managed agent builds will be blocked."
)
EXCEEDED = "You have built more workspaces with managed agents than your license allows."
APPROACHING = (
    "You are approaching the managed agent limit in your license."
    " Please refer to the Deployment Licenses page for more information."
)


def used(world: World, builds: int) -> None:
    world.usage.append(UsageEvent(world.now, builds))


def feature(world: World) -> dict[str, Any]:
    entitlements_now = entitlements(world)
    Entitlements.model_validate(entitlements_now)
    return entitlements_now["features"]["managed_agent_limit"]


def test_community_counts_nothing() -> None:
    world = World(1)
    world.create_task(world.developers[0])
    world.pass_time(20)
    answer = entitlements(world)
    assert answer["has_license"] is False
    assert answer["features"]["managed_agent_limit"] == {"entitlement": "not_entitled", "enabled": False}
    assert answer["warnings"] == answer["errors"] == []


def test_premium_includes_a_thousand_for_a_century() -> None:
    world = World(1)
    world.licence = Licence()
    assert feature(world)["limit"] == 1000
    assert feature(world)["usage_period"] == {
        "issued_at": "2025-07-01T00:00:00Z",
        "start": "2025-07-01T00:00:00Z",
        "end": "2125-07-01T00:00:00Z",
    }
    assert "soft_limit" not in feature(world)


def test_the_count_lags_by_up_to_ten_minutes() -> None:
    world = World(1)
    world.licence = Licence()
    world.create_task(world.developers[0])
    assert feature(world)["actual"] == 0
    assert entitlements(world)["refreshed_at"] == "2026-03-02T08:00:00Z"
    world.pass_time(10)
    assert feature(world)["actual"] == 1
    assert entitlements(world)["refreshed_at"] == "2026-03-02T08:10:00Z"


def test_whole_days_belong_to_the_period_at_both_of_its_ends() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    world = World(1, start=noon - timedelta(days=3))
    world.licence = Licence(period_start=noon, period_end=noon + timedelta(days=2))
    for at, expected in (
        (datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC), 0),
        (datetime(2026, 3, 2, 0, 0, tzinfo=UTC), 1),
        (datetime(2026, 3, 4, 11, 0, tzinfo=UTC), 2),
    ):
        world.advance_to(at)
        used(world, 1)
        world.pass_time(10)
        assert feature(world)["actual"] == expected
    assert world.licence.covers(datetime(2026, 3, 4, 23, 59, 59, tzinfo=UTC))
    assert not world.licence.covers(datetime(2026, 3, 5, 0, 0, tzinfo=UTC))


def test_a_new_licence_with_a_new_period_begins_at_zero_at_once() -> None:
    world = World(1)
    world.licence = Licence(50)
    used(world, 40)
    world.pass_time(60 * 24)
    assert feature(world)["actual"] == 40
    world.licence = Licence(60, period_start=world.now, period_end=world.now + timedelta(days=365))
    assert (feature(world)["actual"], feature(world)["limit"]) == (0, 60)


def test_an_expired_licence_is_none_and_an_error() -> None:
    world = World(1)
    world.licence = Licence(period_end=world.now + timedelta(hours=1))
    assert entitlements(world)["has_license"] is True
    world.pass_time(70)
    answer = entitlements(world)
    assert answer["has_license"] is False
    assert len(answer["errors"]) == 1
    assert "actual" not in feature(world)


@pytest.mark.parametrize(
    ("licence", "entitlement", "enabled"),
    [
        (Licence(0), "entitled", False),
        (Licence(UNLIMITED), "entitled", True),
        (Licence(10, enabled=False), "entitled", False),
        (Licence(10, entitled=False), "not_entitled", False),
    ],
)
def test_what_a_licence_grants(licence: Licence, entitlement: str, *, enabled: bool) -> None:
    world = World(1)
    world.licence = licence
    assert (feature(world)["entitlement"], feature(world)["enabled"]) == (entitlement, enabled)


@pytest.mark.parametrize(
    ("version", "licence", "actual", "warnings"),
    [
        ((2, 30, 0), Licence(100, 100), 74, []),
        ((2, 30, 0), Licence(100, 100), 75, [APPROACHING]),
        ((2, 30, 0), Licence(200, 100), 174, []),
        ((2, 30, 0), Licence(200, 100), 175, [APPROACHING]),
        ((2, 30, 0), Licence(200, 100), 200, [BLOCKED]),
        ((2, 31, 0), Licence(100), 99, []),
        ((2, 31, 0), Licence(100), 100, [EXCEEDED]),
        ((2, 31, 0), Licence(UNLIMITED), 100, []),
        ((2, 38, 0), Licence(100), 100, []),
    ],
)
def test_warnings_are_those_of_the_version(
    version: tuple[int, int, int], licence: Licence, actual: int, warnings: list[str]
) -> None:
    world = World(1, version=version)
    used(world, actual)
    world.pass_time(10)
    world.licence = licence
    assert entitlements(world)["warnings"] == warnings


@pytest.mark.parametrize(
    ("version", "counted"),
    [((2, 28, 8), 4), ((2, 28, 9), 1), ((2, 29, 3), 4), ((2, 29, 4), 1), ((2, 30, 0), 1)],
)
def test_buggy_versions_count_each_start_from_a_template_for_tasks(version: tuple[int, int, int], counted: int) -> None:
    world = World(1, version=version)
    world.licence = Licence()
    template = world.template("codex-tasks")
    ordinary = world.create_workspace(world.developers[0], template, why="work")
    world.stop(ordinary)
    world.start(ordinary, reason="vscode_connection")
    world.create_prebuild(template)
    world.create_task(world.developers[0], template)
    world.create_workspace(world.developers[0], world.template("go-backend"), why="work")
    world.pass_time(10)
    assert feature(world)["actual"] == counted
    assert len(world.awbs) == 1
    assert ordinary.latest.has_ai_task is (version < (2, 29, 4))


def test_an_update_leaves_what_was_counted_wrongly() -> None:
    world = World(1, version=(2, 29, 0))
    world.licence = Licence()
    workspace = world.create_workspace(world.developers[0], world.template("codex-tasks"), why="work")
    world.upgrade((2, 29, 4))
    world.restart(workspace)
    world.pass_time(10)
    assert (feature(world)["actual"], len(world.awbs)) == (1, 0)


def test_a_count_that_began_late_misses_what_was_before() -> None:
    world = World(1)
    world.licence = Licence()
    world.usage_since = world.now + timedelta(hours=1)
    world.create_task(world.developers[0])
    world.pass_time(60)
    world.create_task(world.developers[0])
    world.pass_time(10)
    assert (feature(world)["actual"], len(world.awbs)) == (1, 2)


def test_without_tasks_the_count_stands_still_and_agent_hours_run() -> None:
    world = World(1)
    world.licence = Licence()
    workspace = world.create_task(world.developers[0])
    world.agent_hours = AgentHours(limit=100, soft_limit=80, hard_limit=120, used_ms=80 * 3_600_000 + 1)
    assert "agent_runtime_hours" not in entitlements(world)["features"]
    world.upgrade((2, 37, 0))
    world.restart(workspace)
    world.pass_time(10)
    answer = entitlements(world)
    assert answer["features"]["managed_agent_limit"]["actual"] == len(world.awbs) == 1
    assert answer["features"]["agent_runtime_hours"]["actual"] == 80
    assert answer["features"]["agent_runtime_hours"]["hard_limit"] == 120
    assert len(answer["warnings"]) == 1
    with pytest.raises(ValueError, match="no tasks"):
        world.create_task(world.developers[0])


@pytest.mark.parametrize(("seats", "warnings"), [(89, 0), (90, 1), (101, 1)])
def test_seats_are_another_quota(seats: int, warnings: int) -> None:
    world = World(1)
    world.licence, world.ai_seats = Licence(), Seats(100, seats)
    assert len(entitlements(world)["warnings"]) == warnings
