"""Escalating: a level that nobody acknowledged in time is told to somebody else, once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import structlog

from app import clock
from app.config.load import Config
from app.core.alert.alert import Alert
from app.core.alert.decision import AlertState, Reason
from app.core.alert.routing import Route, escalations
from app.core.alert.silence import silencing
from app.pipeline.tell.address import escalated_to
from app.pipeline.watch.steps import each
from app.store.alert.alerts import Alerts, Change, Stored
from app.store.store import Store

log = structlog.get_logger(__name__)


def escalate(store: Store, config: Config) -> list[str]:
    """Tell the next ones about every alert that is overdue; return `<alert> <route>` of those told now.

    Raises:
        ExceptionGroup: some alerts could not be looked at; the others were.
    """
    if not any(route.escalate_after for route in config.settings.routes):
        return []
    alerts, now = store.alerts, clock.now()
    silences = store.silences
    active = silences.active(now)
    told: list[str] = []

    def look(stored: Stored) -> None:
        state, said = stored.state, stored.last
        if said is None or not state.level or not _is_overdue(config, state, now):
            return
        if silences.acknowledges(stored.name, state) or silencing(active, said.labels(), now):
            return
        told.extend(_escalate(alerts, config, said, stored.version, state, now))

    each(alerts.states(alerts.firing()), look)
    return told


def _is_overdue(config: Config, state: AlertState, now: datetime) -> bool:
    """Tell whether any route may be overdue, before more is asked of Redis."""
    after = [route.escalate_after for route in config.settings.routes if route.escalate_after]
    return bool(after and state.since and now - state.since >= min(after))


def _escalate(
    alerts: Alerts, config: Config, said: Alert, version: int, state: AlertState, now: datetime
) -> Iterator[str]:
    # A level that was snoozed and not acknowledged is still news to whom nobody told.
    labels = said.labels() | ({"reason": Reason.FIRST.value} if said.reason is Reason.ACKNOWLEDGED else {})
    for route_name, route in escalations(config.settings.routes, labels):
        if _overdue(state, route, route_name, now):
            state = replace(state, escalated=(*state.escalated, route_name))
            if not _tell(alerts, config, said, version, state, route, now):
                return  # somebody changed the state: the next sweep looks again
            version += 1
            yield f"{said.name} {route_name}"


def _overdue(state: AlertState, route: Route, name: str, now: datetime) -> bool:
    after = route.escalate_after
    return bool(after and state.since and now - state.since >= after and name not in state.escalated)


def _tell(
    alerts: Alerts, config: Config, said: Alert, version: int, state: AlertState, route: Route, now: datetime
) -> bool:
    because = f"Nobody has acknowledged it within {route.escalate_after_hours:g} hours."
    alert = replace(
        said,
        reason=Reason.UNACKNOWLEDGED,
        headline=f"Not acknowledged: {said.headline}"[:150],
        summary=f"{said.summary} {because}",
        footer=f"{said.footer} · escalated",
    )
    stem = f"{alert.name}-{state.escalated[-1]}-{state.level}-unacknowledged-{version + 1}"
    notifications = escalated_to(config, route, alert, stem, now)
    done = alerts.announce(alert.name, version, Change(state, now, alert, because, notifications))
    if done:
        log.warning("alert escalated", deployment=said.deployment, alert=alert.name, route=state.escalated[-1])
    return done
