"""Sparklines: a row of numbers as a row of characters."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
#: Not the lowest block, so that zero looks different from a small number.
_NOTHING: Final = "·"


def sparkline(numbers: Sequence[int]) -> str:
    """Return one character for each number, scaled to the highest; `·` for zero and below."""
    highest = max(numbers, default=0)
    # Rounded up, so that only zero looks like zero.
    return "".join(_BLOCKS[-(-number * len(_BLOCKS) // highest) - 1] if number > 0 else _NOTHING for number in numbers)


def last_days(days: Sequence[tuple[date, int]], last: date, count: int) -> list[int]:
    """Return the units of a number of days up to and including `last`, oldest first; missing days are zero."""
    units = dict(days)
    return [units.get(last - timedelta(days=ago), 0) for ago in range(count - 1, -1, -1)]
