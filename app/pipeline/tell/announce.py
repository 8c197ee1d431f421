"""Announcing: a changed state, its words and its notifications are put in place in one step."""

from datetime import datetime

import redis
import structlog

from app.config.load import Config
from app.core.alert.alert import Alert
from app.core.alert.decision import AlertState
from app.pipeline.tell.address import notifications_for
from app.store.alert.alerts import Alerts, Change
from app.store.store import Store

log = structlog.get_logger(__name__)


def announce(
    connection: "redis.Redis",
    config: Config,
    alert: Alert,
    version: int,
    state: AlertState,
    now: datetime,
    because: str = "",
) -> bool:
    """Say an alert and let a state stand; False when somebody changed the state since it was read.

    A crash before the script leaves the alert unannounced for the next evaluation, one after it loses nothing.

    Args:
        connection: Redis.
        config: routes and receivers.
        alert: what is said.
        version: of the state that the decision was made from.
        state: what stands from now on.
        now: when the decision fell.
        because: one sentence on what led here.
    """
    day = (state.period_start or now).isoformat()[:10]
    # The state's version makes the id new when a level is announced again after it was resolved.
    stem = f"{alert.name}-{day}-{alert.level or 'ok'}-{alert.reason.value}-{version + 1}"
    notifications = notifications_for(config, alert, stem, now)
    change = Change(state, now, alert, because, notifications)
    if not Alerts(connection, alert.deployment).announce(alert.name, version, change):
        return False
    log.warning(
        "alert announced",
        deployment=alert.deployment,
        alert=alert.name,
        kind=alert.kind.value,
        reason=alert.reason.value,
        threshold=alert.level,
        used=alert.used,
        limit=alert.limit,
        notifications=[notification.id for notification in notifications],
    )
    return True


def settle(store: Store, name: str, version: int, state: AlertState, now: datetime) -> bool:
    """Let a state stand without a word; False when somebody else was faster."""
    return store.alerts.announce(name, version, Change(state, now))
