"""Shared by the charts: positions in per cent, labels of days, and horizontal lines."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

#: Labels closer than this, in per cent of the width, would touch on a phone.
LABEL_ROOM: Final = 13.0
_WEEKS_UP_TO: Final = 100
_MOST_LABELS: Final = 6
#: The maximum number of horizontal lines in a plot.
_MOST_STEPS: Final = 5
_ROUND: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Mark:
    """A label on an axis, in per cent from its start; `row` separates labels that would touch."""

    at: float
    text: str
    row: int = 0
    crossed: bool = False

    @property
    def anchor(self) -> str:
        return "start" if self.at < LABEL_ROOM / 2 else "end" if self.at > 100 - LABEL_ROOM / 2 else "middle"


def day_marks(first: date, last: date) -> list[Mark]:
    """Label Mondays in a short range, or the first days of months in a longer one, with at most six labels."""
    whole = (last - first).days
    days = [first + timedelta(days=number) for number in range(whole)]
    weekly = whole <= _WEEKS_UP_TO
    found = [day for day in days if (day.weekday() == 0 if weekly else day.day == 1)]
    step = math.ceil(len(found) / _MOST_LABELS) or 1
    return [Mark((day - first).days / whole * 100, _short(day, weekly=weekly)) for day in found[::step]]


def _short(day: date, *, weekly: bool) -> str:
    if weekly:
        return f"{day:%-d %b}"
    # January is labelled with its year, because “Jan 2027” would be too wide for a phone.
    return f"{day:%Y}" if day.month == 1 else f"{day:%b}"


@dataclass(frozen=True, slots=True)
class Scale:
    """The vertical axis of a plot, from 0 to `top`, with a mark for each step; positions count from the bottom."""

    top: int
    marks: Sequence[Mark]


def scale(highest: float) -> Scale:
    """Choose a vertical axis for the highest value, in round steps: 1, 2, 5, 10, 20, 25, 50 and so on."""
    least = max(highest, 1) / _MOST_STEPS
    power = 10.0 ** math.floor(math.log10(least))
    # Counts are whole numbers, so below 25 there is no step of two and a half.
    step = next(int(one) for one in (round_ * power for round_ in _ROUND) if one >= least and one == int(one))
    parts = max(math.ceil(highest / step), 2)
    return Scale(parts * step, [Mark(number / parts * 100, f"{step * number:,}") for number in range(1, parts + 1)])
