"""Acknowledging and snoozing: both are stored, and shown wherever the alert was sent.

All actions here can be started by a button, a command or a page, and may be repeated safely.
"""

import glob
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from app import clock
from app.config.load import Config
from app.core.alert.alert import Alert
from app.core.alert.decision import AlertState, Reason
from app.core.alert.silence import Silence
from app.core.alert.snooze import actor_text, next_level_until
from app.core.text.lines import one_line
from app.notifiers.receivers import receivers
from app.pipeline.notify.announce import change
from app.store.alert.alerts import Change, StoredAlert
from app.store.alert.silences import Acknowledgement
from app.store.store import Store

log = structlog.get_logger(__name__)
_LONGEST_ACTOR: Final = 100
_SNOOZE: Final = "snooze-"
_PERIOD_OVER: Final = "This alert belongs to a period that is over."


class StaleError(Exception):
    """The alert to acknowledge or snooze has changed; the message says how."""


@dataclass(frozen=True, slots=True)
class _Firing:
    """The current state of a firing alert."""

    state: AlertState
    announced: Alert


def acknowledge(
    store: Store,
    config: Config,
    alert_name: str,
    level: str,
    by: str,
    *,
    group_key: str = "",
) -> bool:
    """Acknowledge an alert's level; False if it was already acknowledged.

    If the process dies after storing the acknowledgement, it is valid, and the next click shows it in the thread.

    Args:
        store: the deployment's data.
        config: the receivers.
        alert_name: the alert, such as `awb`.
        level: the level to acknowledge; empty for the current one.
        by: the person, as identified by the page, API or command used.
        group_key: the thread, which distinguishes this period from an earlier one; empty for any.

    Raises:
        StaleError: the level no longer applies.
    """
    by = _actor(by)
    firing = _firing(store.alerts.read(alert_name), level, group_key)
    silences = store.silences
    new = not silences.acknowledges(alert_name, firing.state)
    if new:
        state = firing.state
        silences.acknowledge(Acknowledgement(alert_name, state.level, state.since, by, clock.now()))
        log.warning("alert acknowledged", deployment=store.deployment, alert=alert_name, threshold=state.level, by=by)
    _show_in_thread(store, config, firing.announced, by)
    return new


def snooze(
    store: Store,
    config: Config,
    alert_name: str,
    level: str,
    by: str,
    until: datetime | None,
    comment: str = "",
    *,
    group_key: str = "",
) -> Silence:
    """Send no more messages about an alert's level for a time; a higher level is still announced.

    The last snooze of a level replaces earlier ones. Repeating a call with the same arguments changes nothing.

    Args:
        store: the deployment's data.
        config: the receivers.
        alert_name: the alert, such as `awb`.
        level: as for `acknowledge`.
        by: the person.
        until: the end, timezone-aware; None for until the next level, but at most to the end of the period.
        comment: a comment for the list of silences.
        group_key: as for `acknowledge`.

    Raises:
        StaleError: the level no longer applies.
        ValueError: the end is in the past.
    """
    by, now = _actor(by), clock.now()
    firing = _firing(store.alerts.read(alert_name), level, group_key)
    ends = until or next_level_until(now, firing.state.period_end)
    if until is None and ends <= now:
        raise StaleError(_PERIOD_OVER)
    if ends <= now:
        raise ValueError("the end of a snooze must lie in the future")
    silence = _save_snooze(store, firing.announced, Silence("", {}, by, one_line(comment), now, ends))
    _show_in_thread(store, config, firing.announced, by)
    return silence


def _save_snooze(store: Store, announced: Alert, wanted: Silence) -> Silence:
    """Store a snooze and end earlier ones; a snooze that exists already stays as it is."""
    silences, matchers, now = store.silences, _matchers(announced), wanted.starts_at
    before = [found for found in silences.active(now) if found.matchers == matchers and _is_snooze(found)]
    same = (found for found in before if (found.author, found.ends_at) == (wanted.author, wanted.ends_at))
    silence = next(same, None)
    if silence is None:
        identity = _SNOOZE + _digest(announced.name, wanted.author, now.isoformat(), wanted.ends_at.isoformat())
        silence = replace(wanted, id=identity, matchers=matchers)
        # The new one is stored first: if the process dies in between, both apply until the next click.
        silences.add(silence)
        about = {"deployment": announced.deployment, "alert": announced.name, "threshold": announced.level}
        log.warning("alert snoozed", **about, by=silence.author, until=silence.ends_at.isoformat())
    for old in before:
        if old.id != silence.id:
            silences.end(old.id, silence.author, now)
    return silence


def end(store: Store, config: Config, silence_id: str, by: str) -> Silence | None:
    """End a silence or a snooze early, and have what it held checked again; None if the id is unknown."""
    by, now = _actor(by), clock.now()
    silences = store.silences
    before = next((found for found in silences.all() if found.id == silence_id), None)
    ended = silences.end(silence_id, by, now)
    if ended is None or before is None or not before.active(now):
        return ended
    store.outbox.reconsider_held(now)
    log.warning("silence ended", deployment=store.deployment, silence=silence_id, by=by)
    if _is_snooze(ended):
        firing = _snoozed(store, ended)
        if firing is not None:
            _show_in_thread(store, config, firing.announced, by, ended_by=by)
    return ended


def _firing(found: StoredAlert, level: str, group_key: str) -> _Firing:
    state, announced = found.state, found.last
    if announced is None or not state.level:
        raise StaleError("This alert is resolved; there is nothing to do.")
    if group_key and announced.group_key != group_key:
        raise StaleError(_PERIOD_OVER)
    # A burst's announcement names a number of builds as its level; its state does not.
    if level and level not in (state.level, announced.level):
        raise StaleError(f"This alert is at {announced.level or state.level} now, no longer at {level}.")
    return _Firing(state, announced)


def _snoozed(store: Store, silence: Silence) -> _Firing | None:
    """Return the alert that a snooze was about, if it is still firing."""
    for name in store.alerts.firing():
        if glob.escape(name) == silence.matchers.get("alert"):
            firing = _firing(store.alerts.read(name), "", "")
            return firing if _matchers(firing.announced) == silence.matchers else None
    return None


def _show_in_thread(store: Store, config: Config, announced: Alert, by: str, ended_by: str = "") -> None:
    """Update the alert's text with what people did, unless it has it already, and show it in the thread."""
    now = clock.now()

    def decide(found: StoredAlert) -> Change | None:
        try:
            firing = _firing(found, announced.level, announced.group_key)
        except StaleError:
            return None  # the level has just changed, and a message about it is on its way
        actor = _done(store, config, firing, now, ended_by)
        if firing.announced.actor == actor:
            return None
        alert = replace(firing.announced, reason=Reason.ACKNOWLEDGED, actor=actor)
        return Change(firing.state, now, alert, f"{actor}.", actor=by)

    change(store, config, announced.name, decide, receivers=_with_thread(store, config, announced))


def _done(store: Store, config: Config, firing: _Firing, now: datetime, ended_by: str) -> str:
    announced, silences = firing.announced, store.silences
    known = silences.acknowledges(announced.name, firing.state)
    given = silences.acknowledgement(announced.name) if known else None
    snoozes = [one for one in silences.active(now) if one.matchers == _matchers(announced) and _is_snooze(one)]
    last = max(snoozes, key=lambda one: one.ends_at, default=None)
    acknowledged, snoozed = given.by if given else "", last.author if last else ""
    return actor_text(acknowledged, snoozed, last.ends_at if last else None, ended_by, config.zone)


def _with_thread(store: Store, config: Config, announced: Alert) -> list[str]:
    """Return the receivers with a thread about this alert, in which a change can be shown."""
    slack = [receiver for receiver in receivers(config.settings) if receiver.startswith("slack:")]
    return [receiver for receiver in slack if store.outbox.thread(receiver, announced.group_key)]


def _matchers(announced: Alert) -> dict[str, str]:
    """Return matchers for messages at this alert's level; notices have no level."""
    labels = announced.labels()
    return {field: glob.escape(labels[field]) for field in ("alert", "level") if labels[field]}


def _is_snooze(silence: Silence) -> bool:
    return silence.id.startswith(_SNOOZE)


def _actor(by: str) -> str:
    return one_line(by)[:_LONGEST_ACTOR] or "somebody"


def _digest(*parts: str) -> str:
    return hashlib.blake2s("\0".join(parts).encode(), digest_size=8).hexdigest()
