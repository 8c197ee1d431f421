"""Charts as numbers: everything lies inside its plot, ends where the words say, and labels do not touch."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.count.meter import AWB, Usage
from app.core.limit.drift import DriftPoint
from app.core.limit.forecast import forecast
from app.core.limit.limits import Limit
from app.core.limit.period import Period
from app.core.limit.threshold import Threshold
from app.web.pages.axes import Mark, day_marks, scale
from app.web.pages.burnup import BurnUp, burn_up
from app.web.pages.charts import drift_line, meter_bar

START = date(2026, 1, 1)
THRESHOLDS = [Threshold.parse(text) for text in ("75%", "90%", "100%", "+10%", "600 builds")]
Days = list[tuple[date, int]]


def usage(used: int, limit: int | None, today: date, end: date | None) -> Usage:
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    return Usage("default", AWB, Period(START, end), Limit(limit), used, 0, now)


def drawn(days: Days, limit: int | None, today: date, end: date | None, used: int | None = None) -> BurnUp:
    total = sum(units for _, units in days) if used is None else used
    whole = usage(total, limit, today, end)
    return burn_up(days, whole, forecast(days, total, whole.limit, whole.period, whole.as_of), today)


def steady(number: int, units: int) -> Days:
    return [(START + timedelta(days=n), units) for n in range(number)]


def apart(marks: Sequence[Mark]) -> bool:
    return all(later.at - earlier.at >= 12 for earlier, later in pairwise(sorted(marks, key=lambda mark: mark.at)))


@given(
    builds=st.lists(st.integers(0, 400), min_size=1, max_size=400),
    limit=st.one_of(st.none(), st.integers(0, 100_000)),
    length=st.one_of(st.none(), st.integers(1, 800)),
    used=st.one_of(st.none(), st.integers(0, 200_000)),
)
def test_any_period_is_drawn_from_its_beginning_to_the_number_that_is_shown(
    builds: list[int], limit: int | None, length: int | None, used: int | None
) -> None:
    days = [(START + timedelta(days=n), units) for n, units in enumerate(builds) if units]
    today = START + timedelta(days=len(builds) - 1)
    end = None if length is None else max(START + timedelta(days=length), today + timedelta(days=1))
    chart = drawn(days, limit, today, end, used)
    assert all(0 <= x <= 1000 and -1e-6 <= y <= 1000 for x, y in chart.line)
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(chart.line))
    assert all(earlier[1] >= later[1] for earlier, later in pairwise(chart.line))
    assert all(0 <= mark.at <= 100 for mark in (*chart.days, *chart.steps))
    assert chart.limit is None or 0 <= chart.limit <= 100
    if chart.fan:
        assert chart.fan[0] == chart.ahead[0]
        assert chart.fan[1][1] <= chart.ahead[1][1] <= chart.fan[2][1]
        assert all(0 <= y <= 1000 for _, y in (*chart.fan, *chart.ahead))


def test_the_limit_is_reached_where_the_forecast_says() -> None:
    chart = drawn(steady(60, 10), 900, START + timedelta(days=60), START + timedelta(days=365))
    assert chart.breach is not None
    assert chart.breach_range is not None
    assert chart.breach_range[0] <= chart.breach.at <= chart.breach_range[1]
    assert chart.today is not None
    assert chart.today < chart.breach.at


def test_a_period_without_end_is_drawn_a_month_ahead() -> None:
    chart = drawn(steady(60, 10), None, START + timedelta(days=60), None)
    assert chart.ahead[-1][0] == 1000
    assert chart.today == pytest.approx(60 / 90 * 100)
    assert (chart.limit, chart.breach) == (None, None)


def test_a_period_that_is_over_has_no_forecast_and_no_today() -> None:
    days, end = steady(31, 3), START + timedelta(days=31)
    whole = usage(93, 100, date(2026, 6, 1), end)
    chart = burn_up(days, whole, None, date(2026, 6, 1))
    assert (chart.fan, chart.ahead, chart.today, chart.breach) == ([], [], None, None)
    assert chart.line[-1][0] == 1000


def test_three_builds_of_one_day_bring_no_forecast() -> None:
    assert drawn([(START, 3)], 10, START, START + timedelta(days=365)).fan == []


@pytest.mark.parametrize(
    ("used", "names"),
    [
        (10, ["600 builds", "75%", "90%", "limit"]),
        (1000, ["600 builds", "75%", "90%", "limit"]),
        (1001, ["600 builds", "75%", "90%", "limit", "110%"]),
        (1250, ["600 builds", "75%", "90%", "limit", "110%", "120%", "130%"]),
    ],
)
def test_the_bar_marks_what_is_reached_and_what_comes_next(used: int, names: list[str]) -> None:
    bar = meter_bar(usage(used, 1000, START, None), THRESHOLDS)
    assert bar is not None
    assert [mark.text for mark in bar.marks] == names
    assert [mark.text for mark in bar.marks if mark.crossed] == [
        name for name, at in zip(names, (600, 750, 900, 1000, 1100, 1200, 1300), strict=False) if used >= at
    ]
    for row in range(bar.rows):
        assert apart([mark for mark in bar.marks if mark.row == row])


@pytest.mark.parametrize("limit", [None, 0])
def test_there_is_no_bar_without_a_limit_to_divide_by(limit: int | None) -> None:
    assert meter_bar(usage(5, limit, START, None), THRESHOLDS) is None


@given(st.integers(1, 4000))
def test_labels_of_days_never_touch(length: int) -> None:
    marks = day_marks(START, START + timedelta(days=length))
    assert len(marks) <= 6
    assert apart(marks) or length < 50


@given(st.floats(0, 1e9))
def test_a_plot_is_as_high_as_its_content_in_at_most_five_round_steps(value: float) -> None:
    heights = scale(value)
    assert value <= heights.top <= max(2, value * 2)
    labels = [int(mark.text.replace(",", "")) for mark in heights.marks]
    assert heights.marks[-1].at == 100
    assert 2 <= len(labels) <= 5
    assert labels == [labels[0] * number for number in range(1, len(labels) + 1)]
    assert str(labels[0]).rstrip("0") in {"1", "2", "25", "5"}


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (0, ["1", "2"]),
        (3, ["1", "2", "3"]),
        (1100, ["250", "500", "750", "1,000", "1,250"]),
        (2417, ["500", "1,000", "1,500", "2,000", "2,500"]),
        (17, ["5", "10", "15", "20"]),
    ],
)
def test_lines_across_a_plot_are_labelled_with_round_numbers(value: float, labels: list[str]) -> None:
    assert [mark.text for mark in scale(value).marks] == labels


def test_the_drift_is_drawn_around_its_zero_line() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    points = [DriftPoint(at + timedelta(hours=n), 10, 10 + drift) for n, drift in enumerate((0, 2, -1))]
    line = drift_line(points)
    assert line is not None
    assert (line.lowest, line.highest) == (-2, 1)
    assert line.line[0][1] == pytest.approx(line.zero * 10)
    assert drift_line(points[:1]) is None
