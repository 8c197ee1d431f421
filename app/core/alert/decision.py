"""Decisions: what to announce for a usage, a limit and an alert's state, with the reason.

Level-triggered: only the highest crossed threshold is announced, and each state is announced once.
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

# An announced level is resolved only this far below it, so that corrections around it do not flap.
_HYSTERESIS_PERCENT: Final = 2
# And only after usage has stayed there this long: a late notification may remove a build that the next one restores.
# A changed limit or threshold takes effect at once, because it is not jitter.
HOLD: Final = timedelta(days=1)


class Reason(StrEnum):
    """Why a notification is sent, or why none is."""

    FIRST = "first"
    ESCALATED = "escalated"
    REPEAT = "repeat"
    RESOLVED = "resolved"
    #: A usage period ended; this is its total.
    SUMMARY = "summary"
    #: The level was not acknowledged in time, so further receivers are notified.
    UNACKNOWLEDGED = "unacknowledged"
    #: A person acknowledged or snoozed the alert.
    ACKNOWLEDGED = "acknowledged"
    DIGEST = "digest"
    TEST = "test"
    NONE = "none"


class AlertStatus(StrEnum):
    OK = "ok"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class AlertState:
    """What was last announced for one alert of a deployment.

    Attributes:
        level: the announced level; empty if none is.
        period_start, period_end: first day of the period of that level, and the first day after it.
        since: when the level was reached.
        announced_at: when a notification about it was last decided.
        limit: the limit at which the level was reached; None if unlimited or unknown.
        below_since: since when usage has been well below the announced level.
        escalated: the routes that have escalated this level.
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
        """Parse the JSON form of `as_json`, also from other versions.

        Raises:
            ValueError: the text is something else.
        """
        return read(_STATE, stored)


_STATE: Final = TypeAdapter(AlertState)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to announce, and the resulting state.

    Attributes:
        reason: NONE if nothing is to be sent; the state may change even then.
        level: the level that the notification states.
        previous: the level announced before; empty for none.
        because: one sentence with the cause, for the log and the message.
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
    """Decide what to announce for the usage of the current period.

    Args:
        state: what was last announced.
        usage: the usage of the period that contains `now`.
        thresholds: the configured thresholds, in any order.
        now: the time of the decision, timezone-aware.
        repeat_every: repeat an unresolved level after this time; None for never.
        projected: whether usage is projected to exceed the limit; true if that is unknown. Once announced, a level that
            depends on the projection stays as long as usage does, because projections fluctuate; but it is not repeated
            while the projection is below the limit.
    """
    fresh = AlertState(period_start=usage.period.start, period_end=usage.period.end, limit=usage.limit.count)
    if state.period_start is not None and state.period_start < usage.period.start:
        because = f"A new usage period began on {usage.period.start.isoformat()}."
        return Decision(Reason.SUMMARY, "", state.level, because, fresh)
    # A period whose start moved back, such as when a licence expires, keeps the announced level.
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
