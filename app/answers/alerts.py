"""What the HTTP API, the pages and `--json` answer about alerts, silences and messages, as plain values."""

from typing import Any

from app import clock
from app.answers.plain import iso_day, moment
from app.config.load import Config
from app.core.alert.alert import Alert
from app.core.alert.silence import Silence, silencing
from app.notifiers.receivers import receivers
from app.pipeline.usage import active_meters
from app.store import history
from app.store.alertviews import AlertView, alert_views
from app.store.store import Store

LIMIT = 50


def alerts_answer(store: Store, config: Config) -> dict[str, Any]:
    """Return the alerts of every meter and all others that fire, with what was said last; those that fire first."""
    meters = active_meters(store, config)
    names = [*meters, *(f"forecast-{meter}" for meter in meters)]
    silences = store.silences.active(clock.now())
    return {"alerts": [_alert(standing, silences) for standing in alert_views(store, names)]}


def events_answer(store: Store, limit: int = LIMIT, before: str | None = None) -> dict[str, Any]:
    """Return what happened to alerts, newest first.

    Args:
        store: the deployment's data.
        limit: how many at most.
        before: `next` of the page before.

    Raises:
        ValueError: `before` is no such thing.
    """
    rows, following = history.events(store, before, limit)
    return {"events": [_event(row) for row in rows], "next": following}


def notifications_answer(store: Store, limit: int = LIMIT, before: str | None = None) -> dict[str, Any]:
    """Return messages with attempts, error and times, newest first; arguments as of `events_answer`."""
    rows, following = history.notifications(store, before, limit)
    return {"notifications": [_notification(row) for row in rows], "next": following}


def deliveries_answer(store: Store, limit: int = LIMIT, before: str | None = None) -> dict[str, Any]:
    """Return what became of deliveries, newest first, without their payloads; arguments as of `events_answer`."""
    rows, following = history.deliveries(store, before, limit)
    listed = [delivery_answer(row) for row in rows]
    return {"deliveries": [{**row, "payload": None} for row in listed], "next": following}


def delivery_answer(stored: dict[str, Any]) -> dict[str, Any]:
    """Return one delivery as the API gives it."""
    verdict, deleted = stored["verdict"], stored.get("deleted")
    return {
        "message_id": stored["message_id"],
        "received_at": moment(stored["received_at"]),
        "template": stored["template"],
        "verdict": {name: verdict.get(name) for name in ("outcome", "evidence", "rule", "reason", "hint")},
        "workspace_id": stored.get("workspace_id"),
        "workspace": stored.get("workspace"),
        "owner": stored.get("owner"),
        "deleted": {"by": deleted["by"], "at": moment(deleted["at"])} if deleted else None,
        "payload": stored.get("payload"),
    }


def silences_answer(store: Store) -> dict[str, Any]:
    """Return every silence that is kept, those that end last first."""
    return {"silences": [silence_answer(silence) for silence in store.silences.all()]}


def silence_answer(silence: Silence) -> dict[str, Any]:
    """Return one silence as the API gives it."""
    return {
        "id": silence.id,
        "matchers": dict(silence.matchers),
        "author": silence.author,
        "comment": silence.comment,
        "starts_at": moment(silence.starts_at),
        "ends_at": moment(silence.ends_at),
        "ended_by": silence.ended_by or None,
        "active": silence.active(clock.now()),
    }


def receivers_answer(config: Config) -> dict[str, Any]:
    """Return the configured receivers, and what is wrong with their settings."""
    from app.notifiers.directory import problems  # noqa: PLC0415 - slow to import, and `awb status` needs it not

    return {
        "receivers": [{"name": name, "kind": name.partition(":")[0]} for name in receivers(config.settings)],
        "problems": problems(config.settings),
        "dry_run": config.settings.dry_run,
    }


def audit_answer(store: Store, limit: int) -> dict[str, Any]:
    """Return who did what, newest first."""
    entries = store.audit.newest(limit)
    return {
        "audit": [
            {"at": moment(entry.at), "actor": entry.actor, "action": entry.action, "detail": entry.detail}
            for entry in entries
        ]
    }


def _event(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": moment(row["at"]),
        "alert": row["alert"],
        "change": row["change"],
        "kind": row["kind"],
        "meter": row["meter"],
        "scope": row["scope"] or None,
        "reason": row["reason"],
        "level": row["level"] or None,
        "previous": row["previous"] or None,
        "because": row["because"],
        "headline": row["headline"],
        "used": row["used"],
        "limit": row["limit"],
        "actor": row["actor"] or None,
        "notifications": row["notifications"],
    }


def _notification(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "alert": row["alert"],
        "reason": row["reason"],
        "level": row["level"] or None,
        "headline": row["headline"],
        "receiver": row["receiver"],
        "stands_in_for": row["stands_in_for"],
        "state": row["state"],
        "attempts": row["attempts"],
        "error": row["error"],
        "held": row["held"],
        "held_until": moment(row["held_until"]),
        "decided_at": moment(row["decided_at"]),
        "sent_at": moment(row["sent_at"]),
    }


def _alert(standing: AlertView, silences: list[Silence]) -> dict[str, Any]:
    state, said = standing.state, standing.said
    silence = silencing(silences, said.labels(), clock.now()) if said else None
    return {
        "name": standing.name,
        "state": state.status.value,
        "level": state.level or None,
        "since": moment(state.since),
        "announced_at": moment(state.announced_at),
        "period_start": iso_day(state.period_start),
        "limit": state.limit,
        "acknowledged_by": standing.acknowledged_by or None,
        "acknowledged_at": moment(standing.acknowledged_at),
        "silence": silence.id if silence else None,
        "said": _words(said) if said else None,
    }


def _words(said: Alert) -> dict[str, Any]:
    return {
        "kind": said.kind.value,
        "meter": said.meter,
        "scope": said.scope or None,
        "reason": said.reason.value,
        "severity": said.severity.value,
        "level": said.level or None,
        "headline": said.headline,
        "summary": said.summary,
        "facts": [{"label": label, "text": text} for label, text in said.facts],
        "meaning": said.meaning,
        "links": [{"label": label, "url": url} for label, url in said.links],
        "used": said.used,
        "limit": said.limit,
        "breach": iso_day(said.breach),
    }
