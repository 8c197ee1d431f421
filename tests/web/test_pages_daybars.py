"""Bars of days and weeks: nothing is lost when they are split or summed up, and everything lies in the plot."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.pages.daybars import day_bars

START = date(2026, 1, 1)


def test_days_without_builds_are_bars_of_no_height_and_today_is_marked() -> None:
    last = START + timedelta(days=6)
    chart = day_bars([(START, 4), (last, 2)], START, last, last)
    assert [bar.units for bar in chart.bars] == [4, 0, 0, 0, 0, 0, 2]
    assert [bar.so_far for bar in chart.bars] == [False] * 6 + [True]
    assert chart.bars[0].height == 100
    assert chart.bars[-1].at + chart.bars[-1].width == pytest.approx(100)
    assert (chart.series, chart.others) == ([], None)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=400))
def test_every_build_of_a_split_day_or_week_is_in_exactly_one_segment(rows: list[tuple[int, int, int]]) -> None:
    days = [START + timedelta(days=number) for number in range(len(rows))]
    split = [("ada", {day: row[0] for day, row in zip(days, rows, strict=True)})]
    split.append(("bob", {day: row[1] for day, row in zip(days, rows, strict=True)}))
    chart = day_bars([(day, sum(row)) for day, row in zip(days, rows, strict=True)], days[0], days[-1], days[-1], split)
    assert sum(bar.units for bar in chart.bars) == sum(map(sum, rows))
    for bar in chart.bars:
        assert sum(segment.units for segment in bar.segments) == bar.units
        assert sum(segment.height for segment in bar.segments) == pytest.approx(bar.height)
        edges = [(segment.at, segment.at + segment.height) for segment in bar.segments]
        assert all(upper[0] == pytest.approx(lower[1]) for lower, upper in pairwise(edges))
    for number, name in enumerate(("ada", "bob")):
        of_name = sum(s.units for bar in chart.bars for s in bar.segments if s.series == number)
        assert (chart.series[number], of_name) == (name, sum(row[number] for row in rows))
    others = sum(row[2] for row in rows)
    assert chart.others == (2 if others else None)
    assert chart.series == ["ada", "bob", *(["Others"] if others else [])]


def test_a_long_extent_is_shown_by_week_from_monday_to_sunday() -> None:
    last = START + timedelta(days=364)
    chart = day_bars([(START, 1), (START + timedelta(days=4), 2)], START, last, last)
    assert chart.weekly
    # 1 January 2026 is a Thursday.
    assert [(bar.first, bar.last, bar.units) for bar in chart.bars[:2]] == [
        (START, date(2026, 1, 4), 1),
        (date(2026, 1, 5), date(2026, 1, 11), 2),
    ]
    assert sum(bar.width for bar in chart.bars) == pytest.approx(91)


def test_the_units_of_a_name_that_nobody_reported_are_shown_as_unknown() -> None:
    chart = day_bars([(START, 3)], START, START, START, [("", {START: 3})])
    assert (chart.series, chart.others) == (["Unknown"], None)
