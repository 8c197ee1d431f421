"""Forecast alerts: when a projection is announced, and when its alert is resolved."""

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
    """Decide about the forecast alert: a confident projection starts it; days without one resolve it.

    Returns:
        The reason for an announcement (NONE if there is none) and the new state.
    """
    now = usage.as_of
    fresh = AlertState(period_start=usage.period.start, period_end=usage.period.end, limit=usage.limit.count)
    if state.period_start != usage.period.start:
        state = fresh
    over = usage.limit.count is not None and usage.used >= usage.limit.count
    in_sight = expected.in_period() and not over
    if state.level and (in_sight or over):
        # Over the limit the threshold alert takes over. The forecast came true, so there is nothing to resolve or
        # repeat.
        return Reason.NONE, replace(state, below_since=None)
    if not state.level:
        if in_sight and expected.confident:
            return Reason.FIRST, replace(fresh, level=_LEVEL, since=now, announced_at=now)
        return Reason.NONE, state
    below_since = state.below_since or now
    if state.limit == usage.limit.count and now - below_since < HOLD:
        return Reason.NONE, replace(state, below_since=below_since)
    return Reason.RESOLVED, fresh
