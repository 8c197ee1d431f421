"""Alerts, silences and messages in the form that pages show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app import clock
from app.answers.alerts import Event, Silence
from app.answers.messages import Notification
from app.core.alert.alert import Alert
from app.core.alert.severity import Severity
from app.core.alert.silence import Silence as Kept
from app.core.alert.silence import silencing
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
    Column("error", "Error or reason for waiting"),
    Column("reason", "Reason", hidden=True),
    Column("level", "Level", hidden=True),
    Column("alert", "Alert", hidden=True),
    Column("stands_in_for", "Replaces receiver", hidden=True),
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


@dataclass(frozen=True, slots=True)
class Firing:
    """A firing alert.

    Attributes:
        level, words: the level for acknowledging exactly this one, and the level in words.
        acknowledged_by: who acknowledged this level; empty for nobody.
        silence: the silence that holds its messages; None if there is none.
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
    silence: Kept | None


def firing(store: Store) -> list[Firing]:
    """Return the firing alerts, most severe first; those of meters come before the possibly many of scopes."""
    views = [one for one in alert_views(store, ()) if one.state.level and one.announcement]
    now = clock.now()
    active = store.silences.active(now) if views else []
    found = [_firing(one, one.announcement, active, now) for one in views if one.announcement]
    order = {severity: number for number, severity in enumerate((Severity.CRITICAL, Severity.WARNING, Severity.OK))}
    return sorted(found, key=lambda one: (order[one.severity], one.name.startswith(("scope-", "burst-")), one.name))


def _firing(one: AlertView, last: Alert, active: Sequence[Kept], now: datetime) -> Firing:
    return Firing(
        name=one.name,
        level=one.state.level,
        words=one.state.level,
        severity=last.severity,
        headline=last.headline,
        summary=last.summary,
        meaning=last.meaning,
        since=one.state.since,
        acknowledged_by=one.acknowledged_by,
        acknowledged_at=one.acknowledged_at,
        silence=silencing(active, last.labels(), now),
    )


def events_table(events: Sequence[Event]) -> Table:
    rows = [Row({**dict(event), "messages": len(event.notifications)}) for event in events]
    return Table("events", EVENT_COLUMNS, rows)


def messages_table(messages: Sequence[Notification]) -> Table:
    return Table("messages", MESSAGE_COLUMNS, [_message(message) for message in messages])


def silences_table(silences: Sequence[Silence]) -> Table:
    rows = [Row({**dict(silence), "what": _matchers(silence)}) for silence in silences]
    return Table("silences", SILENCE_COLUMNS, rows)


def _matchers(silence: Silence) -> str:
    return " ".join(f"{field}={glob}" for field, glob in silence.matchers.items())


def channels(store: Store, receivers: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Return each receiver with its newest message among the newest of all, and the newest that failed."""
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


def _message(message: Notification) -> Row:
    waits = ", waits" if message.held and message.state == PENDING else ""
    return Row({**dict(message), "state": message.state + waits, "error": message.error or message.held})
