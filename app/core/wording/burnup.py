"""Charts as text, for readers without images."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from app.core.limit.limits import Limit
from app.core.text.lines import day_text

_WIDTH: Final = 20


def filled(used: int, limit: int, width: int) -> int:
    """Return how many of `width` parts are used: all of them only at the limit, none only at zero."""
    if used <= 0:
        return 0
    return min(max(used * width // limit, 1), width)


def bar(used: int, limit: int | None) -> str:
    """Return `[##################..] 91.2%`; empty without a positive limit."""
    percent = Limit(limit).percent(used)
    if limit is None or percent is None:
        return ""
    done = filled(used, limit, _WIDTH)
    return f"[{'#' * done}{'.' * (_WIDTH - done)}] {percent:g}%"


def course(burn_up: Sequence[tuple[date, int]], limit: int | None, breach: date | None) -> str:
    """Describe a burn-up chart in a sentence; empty if there are not two points for a line."""
    if not drawable(burn_up):
        return ""
    (first, start), (last, end) = burn_up[0], burn_up[-1]
    half = next(day for day, used in burn_up if used - start >= (end - start) / 2)
    said = f"Usage went from {start:,} on {day_text(first)} to {end:,} on {day_text(last)}"
    if end - start > 1 and first < half < last:
        said += f", half of that by {day_text(half)}"
    said += "." if limit is None else f"; the limit is {limit:,}."
    return said + (f" It is expected to be reached on {day_text(breach)}." if breach and limit is not None else "")


def drawable(burn_up: Sequence[tuple[date, int]]) -> bool:
    """Return whether there is a line to draw."""
    return len(burn_up) > 1 and burn_up[0][0] < burn_up[-1][0]
