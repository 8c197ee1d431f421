"""Decisions: from usage, limit and an alert's state to what is announced, with its reason.

Level-triggered: only the highest crossed threshold speaks, and a state that is already announced says nothing again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

from pydantic import TypeAdapter

from app.core.count.meter import Usage
from app.core.limit.limits import Limit
from app.core.limit.threshold import Level, Threshold, highest_level, is_made, level_named, waits
from app.core.stored import Day, Moment, read

# A level that was announced is taken back only this far below it, so that corrections around it do not flap.
_HYSTERESIS_PERCENT: Final = 2
# And only when usage stays there this long: a late notification may take a build back that the next one returns.
# An edited limit or threshold does not wait, it is nobody's jitter.
HOLD: Final = timedelta(days=1)


class Reason(StrEnum):
    """Why a notification is sent, or that none is."""

    FIRST = "first"
    ESCALATED = "escalated"
    REPEAT = "repeat"
    RESOLVED = "resolved"
    #: A usage period ended; its total.
    SUMMARY = "summary"
    #: Nobody acknowledged it in time, so the next receivers are notified.
    UNACKNOWLEDGED = "unacknowledged"
    #: Somebody acknowledged or snoozed it.
    ACKNOWLEDGED = "acknowledged"
    DIGEST = "digest"
    TEST = "test"
    NONE = "none"


class AlertStatus(StrEnum):
    OK = "ok"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class AlertState:
    """What was last announced for one alert: (deployment, meter, scope).

    Attributes:
        level: name of the announced level; empty when nothing is announced.
        period_start: first day of the period that the level belongs to; `period_end` the first day after it.
        since: when that level was reached.
        announced_at: when a notification about it was last decided.
        limit: the limit that the level belongs to; None when unlimited or not known.
        below_since: since when usage is well below the announced level.
        escalated: names of the routes that have escalated this level.
    """

    level: str = ""
    period_start: Day | None = None
    since: Moment | None = None
    announced_at: Moment | None = None
    period_end: Day | None = None
    limit: int | None = None
    below_since: Moment | None = None
    escalated: tuple[str, ...] = ()

    @property
    def status(self) -> AlertStatus:
        return AlertStatus.FIRING if self.level else AlertStatus.OK

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = _STATE.dump_python(self, mode="json")
        return found

    @classmethod
    def from_json(cls, stored: str | bytes) -> "AlertState":
        """Read the JSON of what `as_json` returned, in this version or another one.

        Raises:
            ValueError: it is something else.
        """
        return read(_STATE, stored)


_STATE: Final = TypeAdapter(AlertState)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to announce, and the state afterwards.

    Attributes:
        reason: NONE when nothing is to be sent; the state may have changed anyway.
        level: name of the level that the notification mentions.
        previous: name of the level announced before; empty for none.
        because: one sentence on what led here, for logs and the message.
    """

    reason: Reason
    level: str
    previous: str
    because: str
    state: AlertState


def evaluate(
    state: AlertState,
    usage: Usage,
    thresholds: Sequence[Threshold],
    now: datetime,
    repeat_every: timedelta | None = None,
    *,
    projected: bool = True,
) -> Decision:
    """Decide what to announce about the usage of the current period.

    Args:
        state: what was announced last.
        usage: usage of the period that holds `now`.
        thresholds: the configured thresholds; their order does not matter.
        now: the moment of the decision, timezone-aware.
        repeat_every: say an unresolved level again after this time; None for never.
        projected: usage is projected to exceed the limit, or nobody can say. A level that depends on it and was
            announced stands as long as the usage does, for a projection moves to and fro; but it is not repeated
            meanwhile.
    """
    fresh = AlertState(period_start=usage.period.start, period_end=usage.period.end, limit=usage.limit.count)
    if state.period_start is not None and state.period_start < usage.period.start:
        because = f"A new usage period began on {usage.period.start.isoformat()}."
        return Decision(Reason.SUMMARY, "", state.level, because, fresh)
    # A period that was moved back, as when a licence runs out, continues with the level that was announced.
    state = replace(state, period_start=usage.period.start)
    level = highest_level(usage.used, usage.limit, thresholds, projected=projected)
    announced = level_named(state.level, usage.used, usage.limit, thresholds) if state.level else None
    stands = announced is not None and is_made(announced, thresholds)
    if level is not None and (announced is None or level.at > announced.at):
        return _went_up(state, level, announced, fresh, now)
    if not state.level:
        return Decision(Reason.NONE, "", "", "No threshold is reached.", fresh)
    near = stands and announced is not None and usage.used > announced.at - _slack(usage.limit)
    if near or (level is not None and level.name == state.level):
        again = None if waits(state.level, thresholds) and not projected else repeat_every
        return _same_level(state, fresh, now, again)
    if stands and state.limit == usage.limit.count and now - (state.below_since or now) < HOLD:
        return _holds(state, fresh, now)
    return _went_down(state, level, usage, fresh, now)


def _went_up(state: AlertState, level: Level, announced: Level | None, fresh: AlertState, now: datetime) -> Decision:
    reached = replace(fresh, level=level.name, since=now, announced_at=now)
    because = f"Usage reached {level.name}" + (f", after {state.level}." if announced else ".")
    return Decision(Reason.ESCALATED if announced else Reason.FIRST, level.name, state.level, because, reached)


def _same_level(state: AlertState, fresh: AlertState, now: datetime, repeat_every: timedelta | None) -> Decision:
    stays = replace(state, period_end=fresh.period_end, limit=fresh.limit, below_since=None)
    if repeat_every and state.announced_at and now - state.announced_at >= repeat_every:
        again = replace(stays, announced_at=now)
        return Decision(Reason.REPEAT, state.level, state.level, f"Usage is still at {state.level}.", again)
    return Decision(Reason.NONE, state.level, state.level, f"{state.level} is already announced.", stays)


def _holds(state: AlertState, fresh: AlertState, now: datetime) -> Decision:
    waits = replace(state, period_end=fresh.period_end, below_since=state.below_since or now)
    return Decision(Reason.NONE, state.level, state.level, f"Usage fell below {state.level} just now.", waits)


def _went_down(state: AlertState, level: Level | None, usage: Usage, fresh: AlertState, now: datetime) -> Decision:
    if level is not None:
        lower = replace(fresh, level=level.name, since=now, announced_at=now)
        because = f"Usage is no longer at {state.level}; it is at {level.name} of the limit as it is now."
        return Decision(Reason.RESOLVED, level.name, state.level, because, lower)
    because = "The limit is unlimited now." if usage.limit.unlimited else "No threshold is reached any more."
    return Decision(Reason.RESOLVED, "", state.level, because, replace(fresh, since=now))


def _slack(limit: Limit) -> Fraction:
    return Fraction((limit.count or 0) * _HYSTERESIS_PERCENT, 100)
