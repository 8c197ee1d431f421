"""The burn-up chart of a usage period, as a PNG for e-mails."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from app.core.alert.alert import Alert
from app.core.text.lines import short_day
from app.core.wording.burnup import drawable

#: Size on the screen, in CSS pixels; the image has twice as many, for high-resolution screens.
WIDTH: Final = 440
HEIGHT: Final = 220
_SCALE: Final = 2
# Drawn larger and scaled down, because Pillow's lines are not anti-aliased.
_SUPER: Final = 2
# A light card with a grey edge, which is readable on white and on black.
_PAPER, _EDGE, _GRID, _INK = "#ffffff", "#8b95a5", "#e3e7ec", "#3d4653"
_LINE, _AREA, _LIMIT, _LEVEL = "#1f5fbf", "#dbe7f8", "#b3261e", "#9a5b00"
_RIGHT, _TOP, _BOTTOM = 16, 40, 30
_TEXT, _GAP, _KEY, _DASH, _DOT = 14, 6, 14, 5, 4
_MOST_TICKS: Final = 5
_COLOURS: Final = 64
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


class _Canvas:
    """Draws in CSS pixels."""

    def __init__(self) -> None:
        self._factor = _SCALE * _SUPER
        self._image = Image.new("RGB", (WIDTH * self._factor, HEIGHT * self._factor), _PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(_TEXT * self._factor)

    def frame(self) -> None:
        width, height = self._image.size
        self._draw.rectangle((0, 0, width - 1, height - 1), outline=_EDGE, width=self._factor)

    def line(self, points: Sequence[_Point], colour: str, width: float) -> None:
        self._draw.line(self._scaled(points), fill=colour, width=round(width * self._factor), joint="curve")

    def dashed(self, start: _Point, end: _Point, colour: str, width: float) -> None:
        (x0, y0), (x1, y1) = start, end
        pieces = max(round(max(abs(x1 - x0), abs(y1 - y0)) / _DASH), 1)
        marks = [(x0 + (x1 - x0) * n / pieces, y0 + (y1 - y0) * n / pieces) for n in range(pieces + 1)]
        for piece in list(pairwise(marks))[::2]:
            self.line(piece, colour, width)

    def area(self, points: Sequence[_Point], colour: str) -> None:
        self._draw.polygon(self._scaled(points), fill=colour)

    def dot(self, at: _Point, colour: str) -> None:
        x, y = at
        self._draw.ellipse(self._scaled([(x - _DOT, y - _DOT), (x + _DOT, y + _DOT)]), fill=colour)

    def text(self, at: _Point, text: str, anchor: str, colour: str = _INK) -> None:
        ((x, y),) = self._scaled([at])
        self._draw.text((x, y), text, fill=colour, font=self._font, anchor=anchor)

    def width_of(self, text: str) -> float:
        return self._font.getlength(text) / self._factor

    def png(self) -> bytes:
        target = io.BytesIO()
        small = self._image.resize((WIDTH * _SCALE, HEIGHT * _SCALE), Image.Resampling.LANCZOS)
        small.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            target, "PNG", optimize=True
        )
        return target.getvalue()

    def _scaled(self, points: Sequence[_Point]) -> list[_Point]:
        return [(x * self._factor, y * self._factor) for x, y in points]


def burn_up_png(alert: Alert) -> bytes | None:
    """Draw usage by day, limit, level and expected breach; None if there are not two days to draw.

    The same alert gives the same bytes. The image contains only numbers and days, and no text from people.
    """
    if not drawable(alert.burn_up):
        return None
    canvas = _Canvas()
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
    canvas.frame()
    return canvas.png()


def _near_breach(alert: Alert) -> date | None:
    """Return the day of the breach if it is close enough to be shown."""
    (first, _), (last, _) = alert.burn_up[0], alert.burn_up[-1]
    if not alert.breach or not alert.limit:
        return None
    return alert.breach if last < alert.breach <= last + _FURTHEST * (last - first) else None


def _axes(canvas: _Canvas, plot: _Plot, ticks: Sequence[int], *, expected: bool) -> None:
    for tick in ticks:
        start, end = plot.across(tick)
        canvas.line((start, end), _GRID if tick else _EDGE, 1)
        canvas.text((plot.left - _GAP, start[1]), f"{tick:,}", "rm")
    below = HEIGHT - _BOTTOM / 2
    canvas.text((plot.left, below), short_day(plot.first), "lm")
    end_day = f"limit expected {short_day(plot.last)}" if expected else short_day(plot.last)
    canvas.text((WIDTH - _RIGHT, below), end_day, "rm", _LIMIT if expected else _INK)


def _used(canvas: _Canvas, plot: _Plot, burn_up: Sequence[tuple[date, int]]) -> None:
    points = [plot.at(day, used) for day, used in burn_up]
    base = HEIGHT - _BOTTOM
    canvas.area([(points[0][0], base), *points, (points[-1][0], base)], _AREA)
    canvas.line(points, _LINE, 2.5)


def _levels(canvas: _Canvas, plot: _Plot, alert: Alert) -> list[tuple[str, str]]:
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


def _legend(canvas: _Canvas, left: float, entries: Sequence[tuple[str, str]]) -> None:
    for text, colour in entries:
        canvas.line(((left, _TOP / 2), (left + _KEY, _TOP / 2)), colour, 3)
        canvas.text((left + _KEY + _GAP, _TOP / 2), text, "lm", colour)
        left += _KEY + 4 * _GAP + canvas.width_of(text)


def _expected(canvas: _Canvas, plot: _Plot, alert: Alert, breach: date) -> None:
    end = plot.at(breach, alert.limit or 0)
    canvas.dashed(plot.at(*alert.burn_up[-1]), end, _LINE, 2)
    canvas.dashed(end, plot.at(breach, 0), _LIMIT, 1.5)
    canvas.dot(end, _LIMIT)


def _ticks(highest: int) -> list[int]:
    """Return three to five round values from zero to `highest`, as whole units."""
    steps = (number * 10**power for power in range(len(str(highest))) for number in (1, 2, 5))
    step = next(step for step in steps if highest // step < _MOST_TICKS)
    return list(range(0, highest + 1, step))
