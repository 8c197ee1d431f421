"""Drift: a constant difference is shown and explained, a growing one is told."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.coder.versions import TALLY_BUG
from app.core.limit.drift import DriftPoint, growth, is_growing, known_causes

PERIOD = datetime(2026, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIXED = (2, 31, 2)


def history(*drifts: int, hours: float = 24.0) -> list[DriftPoint]:
    """Return points so many hours apart, the last of them at noon; Coder counts 50 more each time."""
    steps = len(drifts) - 1
    return [
        DriftPoint(NOON - timedelta(hours=hours * (steps - n)), 1000 + 50 * n + drift, 1000 + 50 * n)
        for n, drift in enumerate(drifts)
    ]


@pytest.mark.parametrize(
    ("drifts", "grown"),
    [
        ((), 0),
        ((40,), 0),
        ((0, 0, 0), 0),
        ((-37, -37, -37), 0),
        ((12, 12), 0),
        ((0, 3, 6), 6),
        ((0, -3, -6), 6),
        ((-30, -35), 5),
        ((30, 34), 4),
        # What becomes smaller is no matter, down to none.
        ((-30, -10), -20),
        ((-30, 0), -30),
        ((30, 0), -30),
        ((0, 0, 30, 0), 0),
        # What changes sides does not become smaller.
        ((-4, 4), 8),
        ((4, -4), 8),
    ],
)
def test_growth_is_how_far_the_drift_moved_away_from_where_it_was(drifts: tuple[int, ...], grown: int) -> None:
    assert growth(history(*drifts), PERIOD) == grown
    assert is_growing(history(*drifts), PERIOD) is (grown >= 5)


def test_four_builds_within_a_week_are_no_growth_and_five_are() -> None:
    assert not is_growing(history(-9, -13), PERIOD)
    assert is_growing(history(-9, -14), PERIOD)


def test_points_younger_than_two_hours_say_nothing_of_each_other() -> None:
    assert growth(history(0, 9, 18, hours=0.5), PERIOD) == 0
    assert growth(history(0, 9, 18, hours=1), PERIOD) == 18


def test_growth_is_measured_over_a_week() -> None:
    # Two a day: fourteen in a week, whatever was before.
    assert growth(history(*range(0, 60, 2)), PERIOD) == 14
    assert growth(history(0, 40, hours=7 * 24), PERIOD) == 40
    assert growth(history(0, 40, hours=7 * 24 + 1), PERIOD) == 0


def test_points_of_an_earlier_period_belong_to_another_count() -> None:
    points = history(-40, -40, -40, 3, 3)
    assert growth(points, points[3].at) == 0
    assert growth(points, points[0].at) != 0
    assert growth(points, NOON + timedelta(days=1)) == 0


@pytest.mark.parametrize(
    ("version", "buggy"),
    [
        ((2, 27, 9), False),
        ((2, 28, 0), True),
        ((2, 28, 8), True),
        ((2, 28, 9), False),
        ((2, 29, 0), True),
        ((2, 29, 3), True),
        ((2, 29, 4), False),
        ((2, 30, 0), False),
        ((3, 28, 5), False),
    ],
)
def test_the_tally_bug_is_known_by_version(version: tuple[int, int, int], buggy: bool) -> None:
    assert TALLY_BUG.holds(version) is buggy
    said = known_causes(-3, version, sees_deleted=True)[0]
    assert said.startswith("Coder v2.28.0 to v2.28.8") is buggy
    assert "PR 21696" in said


@pytest.mark.parametrize("sees_deleted", [True, False])
@pytest.mark.parametrize("version", [None, (2, 29, 1), FIXED])
def test_counting_less_than_coder_is_explained_by_the_tally_bug_and_by_deleted_tasks(
    version: tuple[int, int, int] | None, sees_deleted: bool
) -> None:
    causes = known_causes(-8, version, sees_deleted=sees_deleted)
    assert "PR 21696" in causes[0]
    assert any("does not find them" in cause for cause in causes) is not sees_deleted
    assert ("deleted before this meter first looked" in causes[-1]) is not sees_deleted


def test_counting_more_than_coder_is_explained_by_a_count_begun_late_and_by_whole_days() -> None:
    causes = known_causes(8, FIXED, sees_deleted=True)
    assert "began later" in causes[0]
    assert "whole UTC days" in causes[1]
    assert not any("21696" in cause or "deleted" in cause for cause in causes)


def test_no_drift_needs_no_cause() -> None:
    assert known_causes(0, FIXED, sees_deleted=False) == []
