"""The page of alerts: firing ones, silences, events and messages; and the actions of admins."""

import glob
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import redis
from flask import Blueprint, Response, abort, make_response, redirect, request

from app import clock
from app.answers.alerts import Events, Silences
from app.answers.messages import Notifications
from app.config.load import Config
from app.core.alert.silence import parse_matchers
from app.core.count.meter import AWB
from app.core.limit.threshold import next_level
from app.pipeline.operate.acknowledge import StaleError, acknowledge, end, snooze
from app.pipeline.operate.silence import SilenceError, create_silence
from app.pipeline.usage import current_usage
from app.store.store import Store
from app.web.access.guard import person, require_admin
from app.web.pages.alertdata import Firing, events_table, firing, messages_table, silences_table
from app.web.pages.base import respond
from app.web.pages.frame import chosen, to

_PAGE: Final = 25
#: Confirmations that are shown with the list of silences; the others are shown with their alert.
_OF_SILENCES: Final = ("silenced", "ended", "no-silence")
#: Durations of a silence: labels by hours, which are the form's values.
DURATIONS: Final = {"1": "1 hour", "4": "4 hours", "24": "1 day", "168": "7 days", "720": "30 days"}
#: The texts of confirmations by code, so that no text is ever taken from the URL.
CONFIRMATIONS: Final = {
    "acknowledged": ("ok", "Acknowledged. No more reminders{at}; you will still be warned {next}."),
    "known": ("ok", "It was already acknowledged."),
    "snoozed": ("ok", "Snoozed. No reminders{at} until then; you will still be warned {next}."),
    "silenced": ("ok", "Silenced."),
    "ended": ("ok", "The silence has ended. Messages that it held are sent within a minute."),
    "gone": ("warning", "Nothing was changed: the alert has changed in the meantime. This is its current state."),
    "no-silence": ("warning", "Nothing was changed: the silence does not exist."),
}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The confirmation after an action; `place` is the part of the page where it is shown."""

    level: str
    sentence: str
    place: str


def add_routes(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    """Add the page and its forms: every action is an admin's POST, audited, and answered with a redirect."""
    _add_page(routes, config, connection)
    _add_alert_acts(routes, config, connection)
    _add_silence_acts(routes, config, connection)


def _add_page(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/alerts")
    def alerts() -> Response:
        return _page(config, connection)


def _add_alert_acts(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.post("/alerts/acknowledge")
    @require_admin
    def acknowledge_alert() -> Response:
        store, name, level = chosen(config, connection), _field("alert"), _field("level")
        try:
            new = acknowledge(store, config.of(store.deployment), name, level, _actor())
        except StaleError:
            return _done("gone", name)
        store.audit.write(_actor(), "acknowledge", f"{name} {level}")
        return _done("acknowledged" if new else "known", name)

    @routes.post("/alerts/snooze")
    @require_admin
    def snooze_alert() -> Response:
        store, name, level = chosen(config, connection), _field("alert"), _field("level")
        hours = _hours()
        until = clock.now() + timedelta(hours=hours)
        try:
            snooze(store, config.of(store.deployment), name, level, _actor(), until)
        except StaleError:
            return _done("gone", name)
        store.audit.write(_actor(), "snooze", f"{name} {level} for {hours} h")
        return _done("snoozed", name)


def _add_silence_acts(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.post("/silences")
    @require_admin
    def silence() -> Response:
        store, comment = chosen(config, connection), _field("comment").strip()
        until, lines = clock.now() + timedelta(hours=_hours()), _field("matchers").splitlines()
        try:
            if not comment:
                raise SilenceError("give the reason, so that others know why nobody was notified")
            matchers = parse_matchers([line for line in lines if line.strip()])
            made = create_silence(store, matchers, until, _actor(), comment, _form_key())
        except ValueError as error:
            return _page(config, connection, problem=str(error), code=422)
        store.audit.write(_actor(), "silence", f"{made.id}: {' '.join(lines)}")
        return _done("silenced")

    @routes.post("/silences/end")
    @require_admin
    def end_silence() -> Response:
        store, silence_id = chosen(config, connection), _field("id")
        if end(store, config.of(store.deployment), silence_id, _actor()) is None:
            return _done("no-silence")
        store.audit.write(_actor(), "end silence", silence_id)
        return _done("ended")


def _page(config: Config, connection: "redis.Redis", problem: str = "", code: int = 200) -> Response:
    store = chosen(config, connection)
    config = config.of(store.deployment)
    try:
        events = Events.of(store, _PAGE, request.args.get("events"))
        messages = Notifications.of(store, _PAGE, request.args.get("messages"))
    except ValueError:
        abort(404, "This page of the list does not exist. Start again at the first page.")
    silences, alerts = Silences.of(store).silences, firing(store)
    tables = {
        "events": events_table(events.events),
        "messages": messages_table(messages.notifications),
        "silences": silences_table(silences),
    }
    answer = respond(
        "alerts.html",
        {name: partial(tables.__getitem__, name) for name in tables},
        alerts=alerts,
        active=[silence for silence in silences if silence.active],
        over=silences_table([silence for silence in silences if not silence.active]),
        tables=tables,
        following={"events": events.next, "messages": messages.next},
        durations=DURATIONS,
        confirmation=_confirmation(store, config, alerts),
        problem=problem,
        matchers=request.form.get("matchers") or _about(request.args.get("alert", "")),
        form=request.form,
        once=secrets.token_hex(8),
        dry_run=config.settings.dry_run,
    )
    answer.status_code = code
    return answer


def _about(alert: str) -> str:
    return f"alert={glob.escape(alert)}" if alert else ""


def _field(name: str) -> str:
    return request.form.get(name, "")[:2000]


def _hours() -> int:
    hours = _field("hours")
    if hours not in DURATIONS:
        abort(400, f"The duration must be one of {', '.join(DURATIONS)} hours.")
    return int(hours)


def _actor() -> str:
    asker = person()
    return asker.name if asker else ""


def _form_key() -> str:
    """Return a key from the form, so that a form that is sent twice creates only one silence."""
    parts = (request.form.get("csrf_token", ""), _field("once"), _field("matchers"), _field("comment"), _field("hours"))
    return hashlib.blake2s("\0".join(parts).encode(), digest_size=12).hexdigest() if _field("once") else ""


def _done(done: str, about: str = "") -> Response:
    """Redirect after a POST to the confirmation, so that reloading the page repeats nothing."""
    return make_response(redirect(f"{to('/alerts', done=done, about=about)}#done", 303))


def _confirmation(store: Store, config: Config, alerts: Sequence[Firing]) -> Confirmation | None:
    code = request.args.get("done", "")
    if code not in CONFIRMATIONS:
        return None
    level, sentence = CONFIRMATIONS[code]
    about = next((alert for alert in alerts if alert.name == request.args.get("about", "")), None)
    place = "silences" if code in _OF_SILENCES else f"alert {about.name}" if about else "firing"
    ahead = _next_level(store, config, about) if about and about.name == AWB else ""
    at = f" at {about.level}" if ahead and about else ""
    return Confirmation(level, sentence.format(at=at, next=f"at {ahead}" if ahead else "if it gets worse"), place)


def _next_level(store: Store, config: Config, alert: Firing) -> str:
    usage = current_usage(store, config, AWB, top=False)
    found = next_level(alert.level, usage.used, usage.limit, config.thresholds)
    return found.name if found else ""
