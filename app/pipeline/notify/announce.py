"""Announcing: an alert's new state, its words and its notifications take effect in one step, or not at all."""

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
# Acknowledging and escalating have a line of their own, with who did it and which route.
_LOGGED_ELSEWHERE: Final = (Reason.ACKNOWLEDGED, Reason.UNACKNOWLEDGED)
#: From what is stored of an alert to what is to change; None for nothing.
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
    """Change an alert as `decide` says, once, however many processes do the same at the same time.

    The first one to change the state wins; the others decide again, from the state that holds then. After a crash
    before the change the next evaluation decides again; after a crash behind it the notifications are in the outbox.

    Args:
        store: the deployment's data.
        config: routes and receivers.
        name: of the alert.
        decide: called once in each round, after the alert was read. No alert in the change means no message.
        receivers: who gets the message, where the routes do not decide that.
        read: the alert as it was read together with others, for the first round.

    Returns:
        The change that this call made; None where there was nothing to change.
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
        # Whoever keeps changing it also decides; the next sweep looks again.
        log.error("alert keeps changing", deployment=store.deployment, alert=name, error=str(error))
    for one in made:
        _log(store.deployment, one)
    return made[0] if made else None


def _notifications(config: Config, wanted: Change, version: int, receivers: Sequence[str] | None) -> list[Notification]:
    alert, now = wanted.alert, wanted.decided_at
    if alert is None:
        return []
    day = (wanted.state.period_start or now).isoformat()[:10]
    # The state's version makes the id new when a level is announced again after it was resolved.
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
