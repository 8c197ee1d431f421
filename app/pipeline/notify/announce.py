"""Announcing: an alert's new state, its text and its notifications are stored in one step, or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from app.config.load import Config
from app.core.alert.alert import Notification
from app.core.alert.decision import Reason
from app.pipeline.notify.address import notifications_for, to_receivers
from app.store.alert.alerts import Change, StoredAlert
from app.store.conflicts import ConflictError, retry_conflicts
from app.store.store import Store

log = structlog.get_logger(__name__)
# Acknowledgements and escalations are logged separately, with the person or the route.
_LOGGED_ELSEWHERE: Final = (Reason.ACKNOWLEDGED, Reason.UNACKNOWLEDGED)
#: Returns the change for a stored alert; None for no change.
Decide = Callable[[StoredAlert], Change | None]


def change(
    store: Store,
    config: Config,
    name: str,
    decide: Decide,
    *,
    receivers: Sequence[str] | None = None,
    read: StoredAlert | None = None,
) -> Change | None:
    """Change an alert as `decide` returns, exactly once even if several processes do so at the same time.

    The first process to change the state wins; the others decide again based on the new state. After a crash before the
    change, the next evaluation decides again; after a crash afterwards, the notifications are in the outbox.

    Args:
        store: the deployment's data.
        config: routes and receivers.
        name: the name of the alert.
        decide: called once in each round with the stored alert. Without an alert in the change, no message is sent.
        receivers: the receivers, if the routes do not determine them.
        read: the stored alert for the first round, if it has been read already.

    Returns:
        The change that this call made; None if there was nothing to change.
    """
    known, made = read, list[Change]()

    def attempt(_names: object) -> list[str]:
        nonlocal known
        found, known = known or store.alerts.read(name), None
        wanted = decide(found)
        if wanted is None or (wanted.alert is None and wanted.state == found.state):
            return []
        wanted = replace(wanted, notifications=_notifications(config, wanted, found.version, receivers))
        if not store.alerts.announce(name, found.version, wanted):
            return [name]
        made.append(wanted)
        return []

    try:
        retry_conflicts({name: None}, attempt)
    except ConflictError as error:
        # The processes that keep changing it also decide; the next sweep checks it again.
        log.error("alert keeps changing", deployment=store.deployment, alert=name, error=str(error))
    for one in made:
        _log(store.deployment, one)
    return made[0] if made else None


def _notifications(config: Config, wanted: Change, version: int, receivers: Sequence[str] | None) -> list[Notification]:
    alert, now = wanted.alert, wanted.decided_at
    if alert is None:
        return []
    day = (wanted.state.period_start or now).isoformat()[:10]
    # The state's version makes the id new if a level is announced again after it was resolved.
    stem = f"{alert.name}-{day}-{alert.level or 'ok'}-{alert.reason.value}-{version + 1}"
    if receivers is None:
        return notifications_for(config, alert, stem, now)
    return to_receivers(config, alert, stem, now, receivers)


def _log(deployment: str, made: Change) -> None:
    alert = made.alert
    if alert is not None and alert.reason not in _LOGGED_ELSEWHERE:
        log.warning(
            "alert announced",
            deployment=deployment,
            alert=alert.name,
            kind=alert.kind.value,
            reason=alert.reason.value,
            threshold=alert.level,
            used=alert.used,
            limit=alert.limit,
            notifications=[notification.id for notification in made.notifications],
        )
