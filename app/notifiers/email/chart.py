"""The burn-up chart of a usage period, as a PNG for e-mails."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from app.core.alert.alert import Alert
from app.core.text.lines import short_day
from app.core.wording.burnup import drawable

if TYPE_CHECKING:
    from app.notifiers.email.canvas import Canvas

#: Size on the screen, in CSS pixels.
WIDTH: Final = 440
HEIGHT: Final = 220
# A light card with a grey edge, which is readable on white and on black.
_PAPER, _EDGE, _GRID, _INK = "#ffffff", "#8b95a5", "#e3e7ec", "#3d4653"
_LINE, _AREA, _LIMIT, _LEVEL = "#1f5fbf", "#dbe7f8", "#b3261e", "#9a5b00"
_RIGHT, _TOP, _BOTTOM = 16, 40, 30
_GAP, _KEY = 6, 14
_MOST_TICKS: Final = 5
# A breach further away than this would squeeze the line into a corner.
_FURTHEST: Final = 3

_Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Plot:
    """The plotted area: days to the right from `left`, units upwards from zero to `top`."""

    first: date
    last: date
    top: float
    left: float

    def at(self, day: date, used: float) -> _Point:
        across = (day - self.first).days / (self.last - self.first).days
        height = HEIGHT - _TOP - _BOTTOM
        return self.left + across * (WIDTH - self.left - _RIGHT), HEIGHT - _BOTTOM - used / self.top * height

    def across(self, used: float) -> tuple[_Point, _Point]:
        """Return both ends of a horizontal line."""
        return self.at(self.first, used), self.at(self.last, used)


def burn_up_png(alert: Alert) -> bytes | None:
    """Draw usage by day, limit, level and expected breach; None if there are not two days to draw.

    The same alert gives the same bytes. The image contains only numbers and days, and no text from people.
    """
    if not drawable(alert.burn_up):
        return None
    from app.notifiers.email.canvas import Canvas  # noqa: PLC0415 - most processes send no e-mails

    canvas = Canvas(WIDTH, HEIGHT, _PAPER)
    (first, _), (last, _) = alert.burn_up[0], alert.burn_up[-1]
    breach = _near_breach(alert)
    highest = max([alert.limit or 0, *(used for _, used in alert.burn_up), 1])
    ticks = _ticks(highest)
    left = max(canvas.width_of(f"{tick:,}") for tick in ticks) + 2 * _GAP
    plot = _Plot(first, breach or last, highest * 1.04, left)
    _axes(canvas, plot, ticks, expected=breach is not None)
    _used(canvas, plot, alert.burn_up)
    _legend(canvas, left, _levels(canvas, plot, alert))
    if breach:
        _expected(canvas, plot, alert, breach)
    canvas.dot(plot.at(*alert.burn_up[-1]), _LINE)
    canvas.frame(_EDGE)
    return canvas.png()


def _near_breach(alert: Alert) -> date | None:
    """Return the day of the breach if it is close enough to be shown."""
    (first, _), (last, _) = alert.burn_up[0], alert.burn_up[-1]
    if not alert.breach or not alert.limit:
        return None
    return alert.breach if last < alert.breach <= last + _FURTHEST * (last - first) else None


def _axes(canvas: "Canvas", plot: _Plot, ticks: Sequence[int], *, expected: bool) -> None:
    for tick in ticks:
        start, end = plot.across(tick)
        canvas.line((start, end), _GRID if tick else _EDGE, 1)
        canvas.text((plot.left - _GAP, start[1]), f"{tick:,}", "rm", _INK)
    below = HEIGHT - _BOTTOM / 2
    canvas.text((plot.left, below), short_day(plot.first), "lm", _INK)
    end_day = f"limit expected {short_day(plot.last)}" if expected else short_day(plot.last)
    canvas.text((WIDTH - _RIGHT, below), end_day, "rm", _LIMIT if expected else _INK)


def _used(canvas: "Canvas", plot: _Plot, burn_up: Sequence[tuple[date, int]]) -> None:
    points = [plot.at(day, used) for day, used in burn_up]
    base = HEIGHT - _BOTTOM
    canvas.area([(points[0][0], base), *points, (points[-1][0], base)], _AREA)
    canvas.line(points, _LINE, 2.5)


def _levels(canvas: "Canvas", plot: _Plot, alert: Alert) -> list[tuple[str, str]]:
    """Draw the limit and the alert's level, and return the entries of the legend with their colours."""
    legend = [(f"{alert.burn_up[-1][1]:,} used", _LINE)]
    if not alert.limit:
        return legend
    canvas.line(plot.across(alert.limit), _LIMIT, 2)
    legend.append((f"limit {alert.limit:,}", _LIMIT))
    percent = re.fullmatch(r"([1-9][0-9]?)%", alert.level)
    if percent:
        canvas.dashed(*plot.across(alert.limit * int(percent[1]) / 100), _LEVEL, 1.5)
        legend.append((f"{percent[1]}%", _LEVEL))
    return legend


def _legend(canvas: "Canvas", left: float, entries: Sequence[tuple[str, str]]) -> None:
    for text, colour in entries:
        canvas.line(((left, _TOP / 2), (left + _KEY, _TOP / 2)), colour, 3)
        canvas.text((left + _KEY + _GAP, _TOP / 2), text, "lm", colour)
        left += _KEY + 4 * _GAP + canvas.width_of(text)


def _expected(canvas: "Canvas", plot: _Plot, alert: Alert, breach: date) -> None:
    end = plot.at(breach, alert.limit or 0)
    canvas.dashed(plot.at(*alert.burn_up[-1]), end, _LINE, 2)
    canvas.dashed(end, plot.at(breach, 0), _LIMIT, 1.5)
    canvas.dot(end, _LIMIT)


def _ticks(highest: int) -> list[int]:
    """Return three to five round values from zero to `highest`, as whole units."""
    steps = (number * 10**power for power in range(len(str(highest))) for number in (1, 2, 5))
    step = next(step for step in steps if highest // step < _MOST_TICKS)
    return list(range(0, highest + 1, step))
