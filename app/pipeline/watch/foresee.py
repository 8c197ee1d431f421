"""Foreseeing: an alert when the projection reaches the limit within the period, taken back when it no longer does."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from app.config.load import Config
from app.core.alert.decision import AlertState, Reason
from app.core.count.meter import Usage
from app.core.wording.forecast import forecast_alert
from app.pipeline.outlook import Outlook, context_of, outlook
from app.pipeline.tell.announce import announce, settle
from app.pipeline.usage import current_usage
from app.store.store import Store

#: A projection that moves to and fro around the limit must hold for so long before the alert is taken back.
HOLD: Final = timedelta(days=3)
_LEVEL: Final = "forecast"


def foresee(store: Store, config: Config, meter: str) -> Reason:
    """Announce a breach that is newly expected, or that it no longer is; return what was decided."""
    if not config.settings.forecast_alerts:
        return Reason.NONE
    usage = current_usage(store, config, meter, top=False)
    seen = outlook(store, usage)
    if seen.forecast is None:
        return Reason.NONE
    name = f"forecast-{meter}"
    version, state = store.alerts.state(name)
    reason, following = _decide(state, usage, seen)
    if following == state:
        return Reason.NONE
    if reason is Reason.NONE:
        settle(store, name, version, following, usage.as_of)
        return reason
    alert = forecast_alert(usage, reason, context_of(store.redis, config, seen))
    said = announce(store.redis, config, alert, version, following, usage.as_of, seen.forecast.words())
    return reason if said else Reason.NONE


def _decide(state: AlertState, usage: Usage, seen: Outlook) -> tuple[Reason, AlertState]:
    """Say what is news: it takes a confident projection to begin, and any that is out of sight for days to end."""
    now = usage.as_of
    fresh = AlertState(period_start=usage.period.start, period_end=usage.period.end, limit=usage.limit.count)
    if state.period_start != usage.period.start:
        state = fresh
    over = usage.limit.count is not None and usage.used >= usage.limit.count
    in_sight = seen.forecast is not None and seen.forecast.in_period() and not over
    if state.level and (in_sight or over):
        # Over the limit the threshold speaks, and the forecast has come true: nothing to take back, nor to say again.
        return Reason.NONE, replace(state, below_since=None)
    if not state.level:
        if in_sight and seen.forecast is not None and seen.forecast.confident:
            return Reason.FIRST, replace(fresh, level=_LEVEL, since=now, announced_at=now)
        return Reason.NONE, state
    below_since = state.below_since or now
    if state.limit == usage.limit.count and now - below_since < HOLD:
        return Reason.NONE, replace(state, below_since=below_since)
    return Reason.RESOLVED, fresh
