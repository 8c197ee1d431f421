"""Alerts, silences and messages, as pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app import clock
from app.core.alert.alert import Alert
from app.core.alert.severity import Severity
from app.core.alert.silence import Silence, silencing
from app.core.wording.context import spoken_level
from app.store.alert.notificationrow import PENDING
from app.store.alert.outbox import FAILED, SENT
from app.store.alertviews import AlertView, alert_views
from app.store.store import Store
from app.web.pages.tables import Column, Row, Table

EVENT_COLUMNS: Final = (
    Column("at", "When", "time"),
    Column("headline", "What"),
    Column("reason", "Reason"),
    Column("level", "Level"),
    Column("because", "Because"),
    Column("actor", "By"),
    Column("messages", "Messages", "count"),
    Column("alert", "Alert", hidden=True),
    Column("kind", "Kind", hidden=True),
    Column("scope", "Scope", hidden=True),
    Column("used", "Used", "count", hidden=True),
    Column("limit", "Limit", "count", hidden=True),
)
MESSAGE_COLUMNS: Final = (
    Column("decided_at", "Decided", "time"),
    Column("receiver", "Receiver"),
    Column("headline", "What"),
    Column("state", "State"),
    Column("attempts", "Attempts", "count"),
    Column("sent_at", "Sent", "time"),
    Column("error", "Error or reason to wait"),
    Column("reason", "Reason", hidden=True),
    Column("level", "Level", hidden=True),
    Column("alert", "Alert", hidden=True),
    Column("stands_in_for", "Stands in for", hidden=True),
    Column("id", "Id", hidden=True),
)
SILENCE_COLUMNS: Final = (
    Column("what", "What"),
    Column("comment", "Why"),
    Column("author", "By"),
    Column("starts_at", "From", "time"),
    Column("ends_at", "To", "time"),
    Column("ended_by", "Ended by"),
    Column("id", "Id", hidden=True),
)
_STATES: Final = {PENDING: "pending", SENT: "sent", FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fires.

    Attributes:
        level: as the state names it, for acknowledging just this one; `words` as people say it.
        acknowledged_by: who knows of this very level; empty for nobody.
        silence: what holds its messages back; None for nothing.
    """

    name: str
    level: str
    words: str
    severity: Severity
    headline: str
    summary: str
    meaning: str
    since: datetime | None
    acknowledged_by: str
    acknowledged_at: datetime | None
    silence: Silence | None


def firing(store: Store) -> list[Firing]:
    """Return the alerts that fire, the most severe first; those of the meters before the many that scopes may have."""
    standing = [one for one in alert_views(store, ()) if one.state.level and one.said]
    now = clock.now()
    active = store.silences.active(now) if standing else []
    found = [_firing(one, one.said, active, now) for one in standing if one.said]
    order = {severity: number for number, severity in enumerate((Severity.CRITICAL, Severity.WARNING, Severity.OK))}
    return sorted(found, key=lambda one: (order[one.severity], one.name.startswith(("scope-", "burst-")), one.name))


def _firing(one: AlertView, said: Alert, active: Sequence[Silence], now: datetime) -> Firing:
    return Firing(
        name=one.name,
        level=one.state.level,
        words=spoken_level(one.state.level),
        severity=said.severity,
        headline=said.headline,
        summary=said.summary,
        meaning=said.meaning,
        since=one.state.since,
        acknowledged_by=one.acknowledged_by,
        acknowledged_at=one.acknowledged_at,
        silence=silencing(active, said.labels(), now),
    )


def events_table(events: Sequence[dict[str, Any]]) -> Table:
    rows = [
        Row({**event, "at": clock.at(event["at"]), "messages": len(event.get("notifications", ()))}) for event in events
    ]
    return Table("events", EVENT_COLUMNS, rows)


def messages_table(history: Sequence[dict[str, Any]]) -> Table:
    return Table("messages", MESSAGE_COLUMNS, [_message(row) for row in history])


def silences_table(silences: Sequence[Silence]) -> Table:
    rows = [
        Row(
            {
                "id": silence.id,
                "what": matchers_text(silence),
                "comment": silence.comment,
                "author": silence.author,
                "starts_at": silence.starts_at,
                "ends_at": silence.ends_at,
                "ended_by": silence.ended_by,
            }
        )
        for silence in silences
    ]
    return Table("silences", SILENCE_COLUMNS, rows)


def matchers_text(silence: Silence) -> str:
    return " ".join(f"{field}={glob}" for field, glob in silence.matchers.items())


def channels(store: Store, receivers: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Return each receiver with the newest message to it, among so many of all, and the newest that failed."""
    history = store.outbox.history(most)
    return [
        {
            "name": receiver,
            "last": next((row for row in history if row["receiver"] == receiver and row["state"] == SENT), None),
            "failure": next(
                (row for row in history if row["receiver"] == receiver and (row["state"] == FAILED or row["error"])),
                None,
            ),
        }
        for receiver in receivers
    ]


def _message(row: dict[str, Any]) -> Row:
    sent = row["sent_at"]
    why = row["error"] or row["held"] or ""
    waits = row["held"] if row["state"] == PENDING else ""
    values = {
        **row,
        "decided_at": clock.at(row["decided_at"]),
        "sent_at": clock.at(sent) if sent else None,
        "state": f"{_STATES.get(row['state'], row['state'])}{', waits' if waits else ''}",
        "error": why,
    }
    return Row(values)
