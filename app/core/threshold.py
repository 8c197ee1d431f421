"""Thresholds: from usage, limit and the alert's state to a Decision with its reason.

Level-triggered: only the highest crossed threshold speaks, `>=` crosses, and a state that is already announced says
nothing again. Coder's own page calls usage equal to the limit exceeded, too (enterprise/coderd/license/license.go).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

from app.core.limits import Limit
from app.core.meter import Usage

# A level that was announced is taken back only this far below it, so that corrections around it do not flap.
_HYSTERESIS_PERCENT: Final = 2
_HIGHEST_PERCENT: Final = 100_000


class ThresholdKind(StrEnum):
    PERCENT = "percent"
    ABSOLUTE = "absolute"
    #: Every so many per cent beyond the limit.
    FURTHER = "further"
    #: The licence's own soft limit, where it has one below the limit.
    SOFT = "soft"


@dataclass(frozen=True, slots=True)
class Threshold:
    kind: ThresholdKind
    value: int

    @classmethod
    def parse(cls, text: str | int) -> "Threshold":
        """Read `75`, `75%`, `+10%` (every further 10 % beyond the limit) or `900 builds` (absolute).

        Raises:
            ValueError: with what is allowed.
        """
        found = re.fullmatch(r"(\+?)\s*(\d{1,9})\s*(%|builds?|)", str(text).strip().lower())
        plus, digits, unit = found.groups() if found else ("", "0", "")
        value = int(digits)
        absolute = unit.startswith("build")
        if not value or (plus and absolute) or (not absolute and value > _HIGHEST_PERCENT):
            raise ValueError(f"“{text}” is no threshold: use 75 or 75%, +10% for every further 10 %, or 900 builds")
        if plus:
            return cls(ThresholdKind.FURTHER, value)
        return cls(ThresholdKind.ABSOLUTE if absolute else ThresholdKind.PERCENT, value)

    def __str__(self) -> str:
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
    """A crossed threshold at a given limit: its name, and the usage from which on it is crossed."""

    name: str
    at: Fraction


class Reason(StrEnum):
    """Why a notification is sent, or that none is."""

    FIRST = "first"
    ESCALATED = "escalated"
    REPEAT = "repeat"
    RESOLVED = "resolved"
    NONE = "none"


class AlertStatus(StrEnum):
    OK = "ok"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class AlertState:
    """What was last announced for one (deployment, meter, scope).

    Attributes:
        level: name of the announced level; empty when nothing is announced.
        period_start: first day of the period that the level belongs to.
        since: when that level was reached.
        announced_at: when a notification about it was last decided.
    """

    level: str = ""
    period_start: date | None = None
    since: datetime | None = None
    announced_at: datetime | None = None

    @property
    def status(self) -> AlertStatus:
        return AlertStatus.FIRING if self.level else AlertStatus.OK

    def as_json(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "period_start": self.period_start.isoformat() if self.period_start else None,
            "since": self.since.isoformat() if self.since else None,
            "announced_at": self.announced_at.isoformat() if self.announced_at else None,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "AlertState":
        def moment(key: str) -> datetime | None:
            return datetime.fromisoformat(value[key]) if value.get(key) else None

        start = value.get("period_start")
        return cls(
            value.get("level", ""),
            date.fromisoformat(start) if start else None,
            moment("since"),
            moment("announced_at"),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What to announce, and the state that stands once it is.

    Attributes:
        reason: NONE when nothing is to be sent; the state may have changed all the same.
        level: name of the level that the notification speaks of.
        previous: name of the level announced before; empty for none.
        because: one sentence on what led here, for logs and the message.
    """

    reason: Reason
    level: str
    previous: str
    because: str
    state: AlertState


def highest_level(used: int, limit: Limit, thresholds: Sequence[Threshold]) -> Level | None:
    """Return the highest crossed level, or None."""
    crossed = [level for level in _levels(used, limit, thresholds) if used >= level.at]
    return max(crossed, key=lambda level: level.at) if crossed and used > 0 else None


def evaluate(
    state: AlertState,
    usage: Usage,
    thresholds: Sequence[Threshold],
    now: datetime,
    repeat_every: timedelta | None = None,
) -> Decision:
    """Decide what to announce about the usage of the current period.

    Args:
        state: what was announced last.
        usage: usage of the period that holds `now`.
        thresholds: the configured thresholds; their order does not matter.
        now: the moment of the decision, timezone-aware.
        repeat_every: say an unresolved level again after this time; None for never.
    """
    if state.level and state.period_start != usage.period.start:
        fresh = AlertState(period_start=usage.period.start)
        because = f"A new usage period began on {usage.period.start.isoformat()}."
        return Decision(Reason.RESOLVED, "", state.level, because, fresh)
    level = highest_level(usage.used, usage.limit, thresholds)
    if level is None:
        return _nothing_crossed(state, usage, thresholds, now)
    if level.name == state.level:
        return _same_level(state, now, repeat_every)
    announced = _level_named(state.level, usage, thresholds) if state.level else None
    if announced is None or announced.at < level.at:
        return _reached(state, level, usage, now, known=announced is not None)
    if announced.at == level.at:
        return _same_level(state, now, repeat_every)
    return _went_down(state, announced, level, usage, now)


def _reached(state: AlertState, level: Level, usage: Usage, now: datetime, *, known: bool) -> Decision:
    reached = AlertState(level.name, usage.period.start, now, now)
    if known:
        because = f"Usage reached {level.name}, after {state.level}."
        return Decision(Reason.ESCALATED, level.name, state.level, because, reached)
    because = f"Usage reached {level.name}."
    if state.level:
        because = f"Usage is at {level.name}; {state.level} is no longer a threshold."
    return Decision(Reason.FIRST, level.name, state.level, because, reached)


def _same_level(state: AlertState, now: datetime, repeat_every: timedelta | None) -> Decision:
    if repeat_every and state.announced_at and now - state.announced_at >= repeat_every:
        again = AlertState(state.level, state.period_start, state.since, now)
        return Decision(Reason.REPEAT, state.level, state.level, f"Usage is still at {state.level}.", again)
    return Decision(Reason.NONE, state.level, state.level, f"{state.level} is already announced.", state)


def _went_down(state: AlertState, announced: Level, level: Level, usage: Usage, now: datetime) -> Decision:
    if usage.used > announced.at - _slack(usage.limit):
        return Decision(Reason.NONE, state.level, state.level, f"Usage is hardly below {state.level}.", state)
    lower = AlertState(level.name, usage.period.start, now, now)
    because = f"Usage is no longer at {state.level}; it is at {level.name} of the limit as it is now."
    return Decision(Reason.RESOLVED, level.name, state.level, because, lower)


def _nothing_crossed(state: AlertState, usage: Usage, thresholds: Sequence[Threshold], now: datetime) -> Decision:
    if not state.level:
        return Decision(Reason.NONE, "", "", "No threshold is reached.", AlertState(period_start=usage.period.start))
    announced = _level_named(state.level, usage, thresholds)
    if announced is not None and usage.used > announced.at - _slack(usage.limit):
        return Decision(Reason.NONE, state.level, state.level, f"Usage is hardly below {state.level}.", state)
    because = "The limit is unlimited now." if usage.limit.unlimited else "No threshold is reached any more."
    return Decision(Reason.RESOLVED, "", state.level, because, AlertState(period_start=usage.period.start, since=now))


def _slack(limit: Limit) -> Fraction:
    return Fraction((limit.count or 0) * _HYSTERESIS_PERCENT, 100)


def _levels(used: int, limit: Limit, thresholds: Sequence[Threshold]) -> list[Level]:
    """Return every level up to the usage, with the absolute number from which on it is crossed."""
    levels = [Level(str(t), Fraction(t.value)) for t in thresholds if t.kind is ThresholdKind.ABSOLUTE]
    if limit.count is None:
        return levels
    # A soft limit of zero is Coder's way to say that there is none.
    if limit.soft and limit.soft < limit.count:
        levels.append(Level(str(Threshold(ThresholdKind.SOFT, limit.soft)), Fraction(limit.soft)))
    if limit.count == 0:
        # Nothing is included: the first build is over. Shares of nothing have no meaning.
        shares = any(t.kind is not ThresholdKind.ABSOLUTE for t in thresholds)
        return [*levels, Level("100%", Fraction(0))] if shares else levels
    for threshold in thresholds:
        if threshold.kind is ThresholdKind.PERCENT:
            levels.append(_percent_level(threshold.value, limit.count))
        elif threshold.kind is ThresholdKind.FURTHER and used > limit.count:
            steps = (used - limit.count) * 100 // (limit.count * threshold.value)
            if steps:
                levels.append(_percent_level(100 + steps * threshold.value, limit.count))
    return levels


def _level_named(name: str, usage: Usage, thresholds: Sequence[Threshold]) -> Level | None:
    """Say where an announced level lies at today's limit; None when it no longer means anything."""
    if name.endswith("%") and usage.limit.count:
        return _percent_level(int(name[:-1]), usage.limit.count)
    return next((level for level in _levels(usage.used, usage.limit, thresholds) if level.name == name), None)


def _percent_level(percent: int, count: int) -> Level:
    return Level(f"{percent}%", Fraction(count * percent, 100))
