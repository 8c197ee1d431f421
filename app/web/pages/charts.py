"""Small charts as numbers: usage against the limit, and the drift. templates/charts.html draws them.

Positions are independent of colours and sizes, so one SVG works at every width, in light and dark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.core.count.meter import Usage
from app.core.limit.drift import DriftPoint
from app.core.limit.limits import Limit
from app.core.limit.threshold import Threshold, fixed_levels, further_levels, waits
from app.core.text.lines import short_day
from app.web.pages.axes import LABEL_ROOM, Mark

#: The number of marked levels beyond the limit: the last crossed ones, and the next.
_MOST_FURTHER: Final = 3


@dataclass(frozen=True, slots=True)
class MeterBar:
    """Usage against the limit on one line."""

    used: float
    marks: Sequence[Mark]

    @property
    def rows(self) -> int:
        return 1 + max((mark.row for mark in self.marks), default=0)


@dataclass(frozen=True, slots=True)
class DriftLine:
    line: Sequence[tuple[float, float]]
    zero: float
    days: Sequence[Mark]
    highest: int
    lowest: int


def meter_bar(usage: Usage, thresholds: Sequence[Threshold], *, projected: bool = True) -> MeterBar | None:
    """Draw usage against the limit with every threshold in range; None without a positive limit."""
    count = usage.limit.count
    if not count:
        return None
    levels = _levels(usage.used, usage.limit, thresholds)
    whole = max(*levels.values(), float(usage.used))
    marks: list[Mark] = []
    for name, at in sorted(levels.items(), key=lambda item: item[1]):
        place = at / whole * 100
        taken = {mark.row for mark in marks if place - mark.at < LABEL_ROOM}
        row = next(row for row in range(len(marks) + 1) if row not in taken)
        marks.append(
            Mark(
                place, name, row, usage.used >= at and (projected or usage.used >= count or not waits(name, thresholds))
            )
        )
    return MeterBar(min(usage.used / whole * 100, 100.0), marks)


def drift_line(history: Sequence[DriftPoint]) -> DriftLine | None:
    """Draw the drift over time; None with fewer than two points."""
    if len(history) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    highest, lowest = max(point.drift for point in history), min(point.drift for point in history)
    top, bottom = max(highest, 1), min(lowest, -1)
    begin, end = history[0].at, history[-1].at
    whole = (end - begin).total_seconds() or 1

    def y(drift: float) -> float:
        return (top - drift) / (top - bottom) * 1000

    line = [((point.at - begin).total_seconds() / whole * 1000, y(point.drift)) for point in history]
    return DriftLine(line, y(0) / 10, [Mark(0, short_day(begin)), Mark(100, short_day(end))], highest, lowest)


def _levels(used: int, limit: Limit, thresholds: Sequence[Threshold]) -> dict[str, float]:
    """Return the position of each level. Beyond the limit these are only the last crossed ones and the next."""
    count = limit.count or 0
    levels = {"limit": float(count)}
    found = [one for one in fixed_levels(limit, thresholds) if one.name.endswith("%") or one.at <= max(used, count)]
    if used > count:
        found += further_levels(used, limit, thresholds, crossed=_MOST_FURTHER - 1, ahead=1)
    # The limit itself is already marked.
    return levels | {one.name: float(one.at) for one in found if one.name != "100%"}
