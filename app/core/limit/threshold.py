"""Thresholds, and the levels that they define for a limit.

A level is crossed at equality, as Coder's own page calls the limit exceeded then
(enterprise/coderd/license/license.go).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from app.core.limit.limits import Limit
from app.core.text.parsed import Parsed

_HIGHEST_PERCENT: Final = 100_000
_LIMIT_PERCENT: Final = 100


class ThresholdKind(StrEnum):
    PERCENT = "percent"
    ABSOLUTE = "absolute"
    #: A step beyond the limit, in per cent.
    FURTHER = "further"
    #: The licence's own soft limit, if it has one below the limit.
    SOFT = "soft"


@dataclass(frozen=True, slots=True)
class Threshold(Parsed):
    """A configured threshold.

    Attributes:
        if_projected: crossed only while usage is projected to exceed the limit (`Forecast.exceeds`). At the limit and
            above it is ignored, because a projection is no longer needed.
    """

    kind: ThresholdKind
    value: int
    if_projected: bool = False

    @classmethod
    def parse(cls, text: str | int) -> "Threshold":
        """Parse `75`, `75%`, `+10%` (every further 10 % beyond the limit) or `900 builds` (absolute).

        A threshold below the limit may end with `if projected`.

        Raises:
            ValueError: with the allowed forms.
        """
        found = re.fullmatch(r"(\+?)\s*(\d{1,9})\s*(%|builds?|)(\s*if\s+projected)?", str(text).strip().lower())
        plus, digits, unit, condition = found.groups() if found else ("", "0", "", None)
        value = int(digits)
        absolute = unit.startswith("build")
        if not value or (plus and absolute) or (not absolute and value > _HIGHEST_PERCENT):
            raise ValueError(
                f"“{text}” is no threshold: use 75 or 75%, +10% for every further 10 %, or 900 builds; below the limit "
                "also “80% if projected”"
            )
        if condition and (plus or (not absolute and value >= _LIMIT_PERCENT)):
            raise ValueError(
                f"“{text}”: “if projected” is for thresholds below 100%; at the limit there is nothing to project. "
                "Leave it out"
            )
        if plus:
            return cls(ThresholdKind.FURTHER, value)
        return cls(ThresholdKind.ABSOLUTE if absolute else ThresholdKind.PERCENT, value, bool(condition))

    def __str__(self) -> str:
        return f"{self.level} if projected" if self.if_projected else self.level

    @property
    def level(self) -> str:
        """The name of its level; for steps beyond the limit, that of the first step."""
        match self.kind:
            case ThresholdKind.PERCENT:
                return f"{self.value}%"
            case ThresholdKind.FURTHER:
                return f"+{self.value}%"
            case ThresholdKind.ABSOLUTE:
                return f"{self.value} builds"
        return "soft limit"


@dataclass(frozen=True, slots=True)
class Level:
    """One level at a given limit: its name, and the usage at which it is crossed.

    Attributes:
        if_projected: crossed only while usage is projected to exceed the limit.
    """

    name: str
    at: Fraction
    if_projected: bool = False


def highest_level(used: int, limit: Limit, thresholds: Sequence[Threshold], *, projected: bool = True) -> Level | None:
    """Return the highest crossed level, or None.

    Args:
        used: the usage.
        limit: the limit.
        thresholds: the configured thresholds.
        projected: whether usage is projected to exceed the limit; true if that is unknown (`Forecast.exceeds`).
    """
    over = limit.count is not None and used >= limit.count
    levels = [level for level in _levels(used, limit, thresholds) if projected or over or not level.if_projected]
    crossed = [level for level in levels if used >= level.at]
    return max(crossed, key=lambda level: (level.at, not level.if_projected)) if crossed and used > 0 else None


def needs_projection(used: int, limit: Limit, thresholds: Sequence[Threshold]) -> bool:
    """Return whether the highest crossed level depends on the projection."""
    without = highest_level(used, limit, thresholds, projected=False)
    return highest_level(used, limit, thresholds) != without


def _levels(used: int, limit: Limit, thresholds: Sequence[Threshold]) -> list[Level]:
    """Return every level up to the usage."""
    return [*fixed_levels(limit, thresholds), *further_levels(used, limit, thresholds)]


def fixed_levels(limit: Limit, thresholds: Sequence[Threshold]) -> list[Level]:
    """Return the levels that do not depend on usage: absolute ones, the soft limit, and percentages."""
    absolute = [t for t in thresholds if t.kind is ThresholdKind.ABSOLUTE]
    levels = [Level(t.level, Fraction(t.value), t.if_projected) for t in absolute]
    # Coder writes a soft limit of zero if there is none.
    if limit.count and limit.soft and limit.soft < limit.count:
        levels.append(Level(str(Threshold(ThresholdKind.SOFT, limit.soft)), Fraction(limit.soft)))
    if limit.count:
        shares = [t for t in thresholds if t.kind is ThresholdKind.PERCENT]
        levels += [_percent_level(t.value, limit.count, if_projected=t.if_projected) for t in shares]
    elif limit.count == 0 and any(t.kind is not ThresholdKind.ABSOLUTE for t in thresholds):
        # With a limit of zero the first build is over it, and percentages have no meaning.
        levels.append(Level("100%", Fraction(0)))
    return levels


def further_levels(
    used: int, limit: Limit, thresholds: Sequence[Threshold], *, crossed: int = 1, ahead: int = 0
) -> list[Level]:
    """Return levels beyond a positive limit: for each threshold, the last crossed ones and the next ones."""
    levels: list[Level] = []
    for threshold in thresholds:
        if threshold.kind is ThresholdKind.FURTHER and limit.count:
            steps = max(used - limit.count, 0) * 100 // (limit.count * threshold.value)
            levels += [
                _percent_level(100 + step * threshold.value, limit.count)
                for step in range(max(steps - crossed + 1, 1), steps + ahead + 1)
            ]
    return levels


def level_named(name: str, used: int, limit: Limit, thresholds: Sequence[Threshold]) -> Level | None:
    """Return an announced level at today's limit; None if there is no such level any more."""
    if name.endswith("%") and limit.count:
        return _percent_level(int(name[:-1]), limit.count)
    return next((level for level in _levels(used, limit, thresholds) if level.name == name), None)


def next_level(name: str, used: int, limit: Limit, thresholds: Sequence[Threshold]) -> Level | None:
    """Return the level after an announced one; None if it is the last one or no longer exists."""
    here = level_named(name, used, limit, thresholds)
    levels = [*fixed_levels(limit, thresholds), *further_levels(used, limit, thresholds, ahead=1)]
    higher = [level for level in levels if here is not None and level.at > here.at]
    return min(higher, key=lambda level: level.at, default=None)


def is_made(level: Level, thresholds: Sequence[Threshold]) -> bool:
    """Return whether the thresholds as configured now still define this level."""
    if not level.name.endswith("%"):
        return True  # taken from the current levels
    percent = int(level.name[:-1])
    over = percent - 100
    return any(
        threshold.value == percent
        if threshold.kind is ThresholdKind.PERCENT
        else threshold.kind is ThresholdKind.FURTHER and over > 0 and over % threshold.value == 0
        for threshold in thresholds
    )


def waits(name: str, thresholds: Sequence[Threshold]) -> bool:
    """Return whether a level of this name depends on the projection, whatever the usage."""
    named = [threshold for threshold in thresholds if threshold.level == name]
    return bool(named) and all(threshold.if_projected for threshold in named)


def _percent_level(percent: int, count: int, *, if_projected: bool = False) -> Level:
    return Level(f"{percent}%", Fraction(count * percent, 100), if_projected)
