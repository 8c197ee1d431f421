"""The answer of `awb status`: usage and everything else about the current state."""

from datetime import UTC, timedelta
from typing import Final, Self

from app.answers.alerts import Alert, Alerts, Silence, Silences
from app.answers.coder import Coder
from app.answers.health import Health
from app.answers.messages import Notification, Notifications
from app.answers.usage import Forecast, Usage
from app.config.load import Config
from app.core.count.meter import AWB
from app.core.limit.period import Period
from app.core.text.sparkline import last_days
from app.store.store import Store

_DAYS: Final = 30
_MESSAGES: Final = 5


class Status(Usage):
    """The usage of the current period, with other answers of the HTTP API under their own names."""

    health: Health
    coder: Coder | None
    forecast: Forecast
    last_30_days: list[int]
    alerts: list[Alert]
    silences: list[Silence]
    notifications: list[Notification]

    @classmethod
    def now(cls, store: Store, config: Config) -> Self:
        usage = Usage.of(store, config)
        today = usage.as_of.astimezone(UTC).date()
        start, end = usage.period.start.date(), usage.period.end
        known = Period(min(start, today - timedelta(days=_DAYS)), end.date() if end else None)
        return cls(
            **dict(usage),
            health=Health.of(store, config),
            coder=Coder.of(store, config) if config.verifying(store.deployment) else None,
            forecast=Forecast.of(store, config),
            last_30_days=last_days(store.snapshot(AWB).by_day(known, today), today, _DAYS),
            alerts=Alerts.of(store, config).alerts,
            silences=[silence for silence in Silences.of(store).silences if silence.active],
            notifications=Notifications.of(store, _MESSAGES).notifications,
        )
