"""The burn-up chart: the growth of a period's usage, the limit, and the forecast. Points are (x, y) in per mille."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from app.core.count.meter import Usage
from app.core.limit.forecast import HORIZON, Forecast
from app.core.limit.period import Period
from app.core.text.lines import day_text
from app.web.pages.axes import Mark, day_marks, scale

_MOST_POINTS: Final = 800


@dataclass(frozen=True, slots=True)
class BurnUp:
    """The chart; parts that are not drawn are empty or None.

    Attributes:
        fan, ahead: the corners of the forecast's range, and its middle.
        limit: in per cent from the top; `today` and the breach are in per cent from the left.
        breach_range: the earliest and the latest day on which the limit is reached.
    """

    line: Sequence[tuple[float, float]]
    fan: Sequence[tuple[float, float]]
    ahead: Sequence[tuple[float, float]]
    limit: float | None
    today: float | None
    breach: Mark | None
    breach_range: tuple[float, float] | None
    days: Sequence[Mark]
    steps: Sequence[Mark]

    @property
    def area(self) -> Sequence[tuple[float, float]]:
        """The line, closed along the bottom."""
        return [*self.line, (self.line[-1][0], 1000.0), (self.line[0][0], 1000.0)]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The extent of the plot: days from `first` to `last`, units up to `top`."""

    first: date
    last: date
    top: int

    def x(self, day: date) -> float:
        return (day - self.first).days / ((self.last - self.first).days or 1) * 1000

    def y(self, units: float) -> float:
        return 1000 - units / self.top * 1000


def burn_up(days: Sequence[tuple[date, int]], usage: Usage, expected: Forecast | None, today: date) -> BurnUp:
    """Draw a period; `days` as returned by `by_day` in app/store/count/snapshot.py."""
    first, last = _extent(days, usage.period, expected, today)
    count = usage.limit.count
    ahead = expected if expected is not None and expected.enough and today < last else None
    low, middle, high = _ends(usage, ahead, today, last)
    heights = scale(max(usage.used * 1.05, (count or 0) * 1.1, high))
    frame = _Frame(first, last, heights.top)
    begin = (frame.x(min(today, last)), frame.y(usage.used))
    return BurnUp(
        line=[(frame.x(day), frame.y(units)) for day, units in _curve(days, usage.used, first, min(today, last))],
        fan=[begin, (1000.0, frame.y(high)), (1000.0, frame.y(low))] if ahead else [],
        ahead=[begin, (1000.0, frame.y(middle))] if ahead else [],
        limit=None if count is None else frame.y(count) / 10,
        today=frame.x(today) / 10 if first <= today < last else None,
        breach=_breach(ahead, frame),
        breach_range=_breach_range(ahead, frame),
        days=day_marks(first, last),
        steps=heights.marks,
    )


def _extent(
    days: Sequence[tuple[date, int]], period: Period, expected: Forecast | None, today: date
) -> tuple[date, date]:
    first = period.start if period.end else max(days[0][0] if days else today, period.start)
    if period.end:
        return first, period.end
    seen = today - first
    near = expected.breach if expected and expected.breach and expected.breach - today <= seen else today
    return first, max(today, near) + timedelta(days=HORIZON)


def _curve(days: Sequence[tuple[date, int]], used: int, first: date, today: date) -> list[tuple[date, float]]:
    """Add days up. Coder's own number may differ by a constant, so the curve is shifted to end at the number shown."""
    running = used - sum(units for _, units in days)
    points = [(first, float(max(running, 0)))]
    for day, units in days:
        # A day's builds are drawn at its end, except today's, which ends now.
        points.append((min(max(day, first), today), float(max(running, 0))))
        running += units
        points.append((min(day + timedelta(days=1), today), float(max(running, 0))))
    # Over many years there would be more points than pixels.
    return [*points[:: len(points) // _MOST_POINTS + 1], (today, float(used))]


def _ends(usage: Usage, expected: Forecast | None, today: date, last: date) -> tuple[float, float, float]:
    """Return low, middle and high usage at the right edge."""
    if expected is None:
        return (float(usage.used),) * 3
    if expected.projected is not None and expected.low is not None and expected.high is not None:
        return float(expected.low), float(expected.projected), float(expected.high)
    ahead, count = (last - today).days, usage.limit.count

    def by(day: date | None, otherwise: float) -> float:
        if day is None or count is None or day <= today:
            return otherwise
        return usage.used + (count - usage.used) * ahead / (day - today).days

    middle = usage.used + expected.pace * ahead
    return by(expected.breach_latest, float(usage.used)), middle, by(expected.breach_earliest, middle)


def _breach(expected: Forecast | None, frame: _Frame) -> Mark | None:
    day = expected.breach if expected else None
    if day is None or not frame.first <= day < frame.last:
        return None
    return Mark(frame.x(day) / 10, day_text(day, day))


def _breach_range(expected: Forecast | None, frame: _Frame) -> tuple[float, float] | None:
    if expected is None or expected.breach is None or expected.breach >= frame.last:
        return None
    earliest, latest = expected.breach_earliest or expected.breach, expected.breach_latest or frame.last
    return frame.x(earliest) / 10, frame.x(min(latest, frame.last)) / 10
