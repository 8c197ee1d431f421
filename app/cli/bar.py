"""The bar of `awb status`: usage against the limit, with the thresholds marked."""

from collections.abc import Sequence
from math import ceil
from typing import Final

from rich.text import Text

from app.core.alert.severity import Severity
from app.core.count.meter import Usage
from app.core.limit.limits import Limit
from app.core.limit.threshold import Threshold, fixed_levels
from app.core.wording.usagestatus import usage_status

_STYLES: Final = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.CRITICAL: "red"}


def marks(limit: Limit, thresholds: Sequence[Threshold]) -> dict[int, str]:
    """Return the name of each threshold of a positive limit, by the usage at which it is crossed."""
    if not limit.count:
        return {}
    found = {limit.count: "limit"}
    return found | {ceil(level.at): level.name for level in fixed_levels(limit, thresholds)}


def bar(
    usage: Usage, thresholds: Sequence[Threshold], width: int, *, projected: bool = True
) -> tuple[Text, Text] | None:
    """Return the bar and the line of threshold names below it; None without a positive limit.

    Args:
        usage: the usage to draw.
        thresholds: the configured thresholds.
        width: width of the bar in characters.
        projected: whether usage is projected to exceed the limit; true if that is unknown.
    """
    levels = marks(usage.limit, thresholds)
    if not levels:
        return None
    whole = max(*levels, usage.used)
    full = min(max(usage.used * width // whole, int(usage.used > 0)), width)
    places = {min(-(-at * width // whole), width) - 1: name for at, name in sorted(levels.items())}
    style = _STYLES[usage_status(usage, thresholds, projected=projected).severity]
    # Without colours a mark must look different on a full cell and on an empty one, so they differ in shape.
    signs = {(True, True): "┃", (True, False): "│", (False, True): "█", (False, False): "░"}
    cells = [signs[cell in places, cell < full] for cell in range(width)]
    line = Text.assemble(("".join(cells[:full]), style), ("".join(cells[full:]), "dim"))
    return line, _labels(places, width)


def _labels(places: dict[int, str], width: int) -> Text:
    """Place each name so that it ends under its mark, starting with the highest, as far as there is room."""
    cells = [" "] * width
    free = width
    for place, name in sorted(places.items(), reverse=True):
        start = max(place - len(name) + 1, 0)
        if start + len(name) <= free:
            cells[start : start + len(name)] = name
            free = start - 1
    return Text("".join(cells).rstrip(), "dim")
