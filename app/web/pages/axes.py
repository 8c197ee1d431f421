"""What charts share: places in per cent, labels of days, and the lines across a plot."""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

#: Labels nearer to each other than this, in per cent of the width, would touch on a phone.
LABEL_ROOM: Final = 13.0
_WEEKS_UP_TO: Final = 100
_MOST_LABELS: Final = 6
_ROUND: Final = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Mark:
    """A label on an axis, in per cent from its beginning; `row` is for labels that would touch."""

    at: float
    text: str
    row: int = 0
    crossed: bool = False

    @property
    def anchor(self) -> str:
        return "start" if self.at < LABEL_ROOM / 2 else "end" if self.at > 100 - LABEL_ROOM / 2 else "middle"


def day_marks(first: date, last: date) -> list[Mark]:
    """Label Mondays of a short extent, and firsts of months of a longer one, at most six of them."""
    whole = (last - first).days
    days = [first + timedelta(days=number) for number in range(whole)]
    weekly = whole <= _WEEKS_UP_TO
    found = [day for day in days if (day.weekday() == 0 if weekly else day.day == 1)]
    step = math.ceil(len(found) / _MOST_LABELS) or 1
    return [Mark((day - first).days / whole * 100, _short(day, weekly=weekly)) for day in found[::step]]


def _short(day: date, *, weekly: bool) -> str:
    if weekly:
        return f"{day:%-d %b}"
    # The year stands where it changes; with every label it would be too wide for a phone.
    return f"{day:%b %Y}" if day.month == 1 else f"{day:%b}"


def round_up(value: float) -> int:
    """Return the next round number that divides into a few whole steps; at least 4."""
    if value <= 4:  # noqa: PLR2004 - see above
        return 4
    power = float(10 ** int(math.log10(value)))
    return math.ceil(next(step * power for step in _ROUND if step * power >= value))


def steps(top: int) -> list[Mark]:
    """Label the lines across a plot, `at` from the bottom."""
    parts = next((parts for parts in (4, 5, 3) if top % parts == 0), 2)
    return [Mark(number / parts * 100, f"{top * number // parts:,}") for number in range(1, parts + 1)]
