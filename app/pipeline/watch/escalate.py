"""Escalating: a level that was not acknowledged in time is sent to further receivers, once."""

from dataclasses import replace
from datetime import datetime

import structlog

from app import clock
from app.config.load import Config
from app.core.alert.alert import Alert
from app.core.alert.decision import AlertState, Reason
from app.core.alert.routing import Route, escalations, named
from app.core.alert.silence import silencing
from app.notifiers.receivers import receivers
from app.pipeline.notify.announce import change
from app.pipeline.watch.steps import each
from app.store.alert.alerts import Change, StoredAlert
from app.store.store import Store

log = structlog.get_logger(__name__)


def escalate(store: Store, config: Config) -> list[str]:
    """Notify the next receivers of every overdue alert, and return `<alert> <route>` for those escalated now.

    Raises:
        ExceptionGroup: some alerts could not be checked; the others were.
    """
    after = [route.escalate_after for route in config.settings.routes if route.escalate_after]
    if not after:
        return []
    alerts, now = store.alerts, clock.now()
    active = store.silences.active(now)
    escalated: list[str] = []

    def check_routes(stored: StoredAlert) -> None:
        last, since = stored.last, stored.state.since
        # Cheaper than checking every route; most alerts are skipped here.
        if last is None or not stored.state.level or not since or now - since < min(after):
            return
        if silencing(active, last.labels(), now):
            return
        # A level that was snoozed but not acknowledged is still new to receivers that were not notified.
        labels = last.labels() | ({"reason": Reason.FIRST.value} if last.reason is Reason.ACKNOWLEDGED else {})
        for name, route in escalations(config.settings.routes, labels):
            if _overdue(stored.state, route, name, now) and _escalate(store, config, stored, name, route, now):
                escalated.append(f"{stored.name} {name}")

    each(alerts.states(alerts.firing()), check_routes)
    return escalated


def _escalate(store: Store, config: Config, stored: StoredAlert, name: str, route: Route, now: datetime) -> bool:
    def decide(found: StoredAlert) -> Change | None:
        state, last = found.state, found.last
        if last is None or not _overdue(state, route, name, now) or store.silences.acknowledges(found.name, state):
            return None
        because = f"Nobody has acknowledged it within {route.escalate_after_hours:g} hours."
        return Change(replace(state, escalated=(*state.escalated, name)), now, _words(last, because), because)

    chosen = named(receivers(config.settings), route.escalate_to)
    done = change(store, config, stored.name, decide, receivers=chosen) is not None
    if done:
        log.warning("alert escalated", deployment=store.deployment, alert=stored.name, route=name)
    return done


def _overdue(state: AlertState, route: Route, name: str, now: datetime) -> bool:
    after = route.escalate_after
    return bool(state.level and after and state.since and now - state.since >= after and name not in state.escalated)


def _words(last: Alert, because: str) -> Alert:
    return replace(
        last,
        reason=Reason.UNACKNOWLEDGED,
        headline=f"Not acknowledged: {last.headline}"[:150],
        summary=f"{last.summary} {because}",
        footer=f"{last.footer} · escalated",
    )
