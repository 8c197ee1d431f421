"""Builds per day or week as bars, optionally split by name, in per cent; templates/charts.html draws them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from app.web.pages.axes import Mark, day_marks, scale

#: With this many days or more, a bar is a week: more bars would be thinner than a pixel on a phone.
_WEEKS_FROM: Final = 120
#: Room for the numbers left of the bars, in per cent of the width.
_LEFT: Final = 9.0


@dataclass(frozen=True, slots=True)
class Segment:
    """One name's share of a bar: its lower edge and its height in per cent of the plot."""

    series: int
    units: int
    at: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One day, or one week from Monday to Sunday, limited to the days that are shown.

    Attributes:
        first, last: its UTC days, both included.
        at, width, height: its position and size in per cent.
        so_far: whether it includes today.
        segments: from the bottom up; a single one if nothing is split.
    """

    first: date
    last: date
    units: int
    at: float
    width: float
    height: float
    so_far: bool
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class DayBars:
    """The chart.

    Attributes:
        series: the names of the segments in the order of the legend; empty if nothing is split.
        rest: whether the last of the series stands for all names that are not shown.
        weekly: whether each bar is a week.
    """

    bars: Sequence[Bar]
    days: Sequence[Mark]
    steps: Sequence[Mark]
    series: Sequence[str]
    rest: bool
    weekly: bool

    @property
    def others(self) -> int | None:
        """The index in `series` of the names that are not shown; None if all are."""
        return len(self.series) - 1 if self.rest else None


#: The usage of each UTC day, by name.
Split = Sequence[tuple[str, Mapping[date, int]]]


def day_bars(days: Sequence[tuple[date, int]], first: date, last: date, today: date, split: Split = ()) -> DayBars:
    """Draw the days from `first` to `last`, both included.

    Args:
        days: UTC days and their units, possibly without days without usage.
        first: the left edge.
        last: the right edge.
        today: the current day, which is incomplete.
        split: the names to show separately; the rest of a day is added to the others.
    """
    units = dict(days)
    weekly = (last - first).days >= _WEEKS_FROM
    spans = list(_spans(first, last, weekly=weekly))
    sums = [_sum(units, *span) for span in spans]
    heights = scale(max(sums, default=0))
    whole = (last - first).days + 1
    named = [[_sum(of_name, *span) for _, of_name in split] for span in spans]
    rest = any(sum(parts) < total for parts, total in zip(named, sums, strict=True))
    bars = []
    for (begin, end), total, parts in zip(spans, sums, named, strict=True):
        if begin > today + timedelta(days=1):
            break
        bars.append(
            Bar(
                begin,
                end,
                total,
                at=_LEFT + (begin - first).days / whole * (100 - _LEFT),
                width=((end - begin).days + 1) / whole * (100 - _LEFT),
                height=total / heights.top * 100,
                so_far=begin <= today <= end,
                segments=_segments([*parts, max(total - sum(parts), 0)], heights.top),
            )
        )
    marks = [
        replace(mark, at=_LEFT + mark.at * (100 - _LEFT) / 100) for mark in day_marks(first, last + timedelta(days=1))
    ]
    series = [*(name or "Unknown" for name, _ in split), *(["Others"] if rest else [])] if split else []
    return DayBars(bars, marks, heights.marks, series, bool(split) and rest, weekly)


def _spans(first: date, last: date, *, weekly: bool) -> Sequence[tuple[date, date]]:
    found, day = [], first
    while day <= last:
        end = min(day + timedelta(days=6 - day.weekday()), last) if weekly else day
        found.append((day, end))
        day = end + timedelta(days=1)
    return found


def _sum(units: Mapping[date, int], first: date, last: date) -> int:
    return sum(units.get(first + timedelta(days=number), 0) for number in range((last - first).days + 1))


def _segments(parts: Sequence[int], top: int) -> list[Segment]:
    found, below = [], 0
    for series, units in enumerate(parts):
        if units:
            found.append(Segment(series, units, below / top * 100, units / top * 100))
        below += units
    return found
