"""Forecast alerts: raised if the projection reaches the limit within the period, resolved when it no longer does."""

from app.config.load import Config
from app.core.alert.decision import Reason
from app.core.alert.foresight import evaluate_forecast
from app.core.wording.forecast import forecast_alert
from app.pipeline.notify.announce import change
from app.pipeline.outlook import context_of, outlook
from app.pipeline.usage import current_usage
from app.store.alert.alerts import Change, StoredAlert
from app.store.store import Store


def check_forecast(store: Store, config: Config, meter: str) -> Reason:
    """Announce that a breach is now expected, or no longer is, and return the reason of the alert."""
    if not config.settings.forecast_alerts:
        return Reason.NONE

    def decide(found: StoredAlert) -> Change | None:
        # Read after the state: a slow process must not compare older usage with a newer state.
        usage = current_usage(store, config, meter, top=False)
        seen = outlook(store, usage)
        if seen.forecast is None:
            return None
        reason, state = evaluate_forecast(found.state, usage, seen.forecast)
        if reason is Reason.NONE:
            return Change(state, usage.as_of)
        alert = forecast_alert(usage, reason, context_of(store, config, seen))
        return Change(state, usage.as_of, alert, seen.forecast.words())

    made = change(store, config, f"forecast-{meter}", decide)
    return made.alert.reason if made and made.alert else Reason.NONE
