"""The bar of `awb status`: usage against the limit, with the thresholds marked."""

from collections.abc import Sequence
from math import ceil
from typing import Final

from rich.text import Text

from app.core.count.meter import Usage
from app.core.limit.limits import Limit
from app.core.limit.threshold import Threshold, fixed_levels, highest_level

_STYLES: Final = {"ok": "green", "warning": "yellow", "critical": "red"}


def standing(usage: Usage, thresholds: Sequence[Threshold], *, projected: bool = True) -> tuple[str, str]:
    """Say how usage stands to its limit: a severity's word, and a few words for people."""
    used, count = usage.used, usage.limit.count
    if count is None:
        return "ok", "there is no limit"
    if used and used >= count:
        return "critical", f"over the limit by {used - count:,}" if used > count else "the limit is reached"
    level = highest_level(used, usage.limit, thresholds, projected=projected)
    if level is None and not projected:
        return "ok", "not projected to reach the limit"
    if level is None:
        return "ok", "below every threshold" if count else "nothing is included"
    return "warning", f"past {level.name}"


def marks(limit: Limit, thresholds: Sequence[Threshold]) -> dict[int, str]:
    """Return the thresholds of a positive limit by the usage from which on they are crossed."""
    if not limit.count:
        return {}
    found = {limit.count: "limit"}
    return found | {ceil(level.at): level.name for level in fixed_levels(limit, thresholds)}


def bar(
    usage: Usage, thresholds: Sequence[Threshold], width: int, *, projected: bool = True
) -> tuple[Text, Text] | None:
    """Return the bar and the names of the thresholds under it; None without a positive limit.

    Args:
        usage: what is shown.
        thresholds: the configured ones.
        width: characters of the bar.
        projected: usage is projected to exceed the limit, or nobody can say.
    """
    levels = marks(usage.limit, thresholds)
    if not levels:
        return None
    whole = max(*levels, usage.used)
    full = min(max(usage.used * width // whole, int(usage.used > 0)), width)
    places = {min(-(-at * width // whole), width) - 1: name for at, name in sorted(levels.items())}
    style = _STYLES[standing(usage, thresholds, projected=projected)[0]]
    # A mark looks the same on a full cell as on an empty one where there are no colours, so they differ in shape.
    signs = {(True, True): "┃", (True, False): "│", (False, True): "█", (False, False): "░"}
    cells = [signs[cell in places, cell < full] for cell in range(width)]
    line = Text.assemble(("".join(cells[:full]), style), ("".join(cells[full:]), "dim"))
    return line, _labels(places, width)


def _labels(places: dict[int, str], width: int) -> Text:
    """Write each name so that it ends under its mark; the highest ones first, as long as there is room."""
    cells = [" "] * width
    free = width
    for place, name in sorted(places.items(), reverse=True):
        start = max(place - len(name) + 1, 0)
        if start + len(name) <= free:
            cells[start : start + len(name)] = name
            free = start - 1
    return Text("".join(cells).rstrip(), "dim")
