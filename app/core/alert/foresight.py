"""Forecast alerts: when a projection is announced, and when it is resolved."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from app.core.alert.decision import AlertState, Reason
from app.core.count.meter import Usage
from app.core.limit.forecast import Forecast

#: A projection that moves around the limit must stay below it this long before the alert is resolved.
HOLD: Final = timedelta(days=3)
_LEVEL: Final = "forecast"


def evaluate_forecast(state: AlertState, usage: Usage, expected: Forecast) -> tuple[Reason, AlertState]:
    """Decide what is news: a confident projection begins an alert, and one that is out of sight for days ends it.

    Returns:
        Why an alert is announced, NONE where it is not, and the state from now on.
    """
    now = usage.as_of
    fresh = AlertState(period_start=usage.period.start, period_end=usage.period.end, limit=usage.limit.count)
    if state.period_start != usage.period.start:
        state = fresh
    over = usage.limit.count is not None and usage.used >= usage.limit.count
    in_sight = expected.in_period() and not over
    if state.level and (in_sight or over):
        # Over the limit, the threshold alert applies and the forecast has come true: nothing to resolve or repeat.
        return Reason.NONE, replace(state, below_since=None)
    if not state.level:
        if in_sight and expected.confident:
            return Reason.FIRST, replace(fresh, level=_LEVEL, since=now, announced_at=now)
        return Reason.NONE, state
    below_since = state.below_since or now
    if state.limit == usage.limit.count and now - below_since < HOLD:
        return Reason.NONE, replace(state, below_since=below_since)
    return Reason.RESOLVED, fresh
