"""A notification in Redis: a hash of its receiver, its alert (JSON), its state and its history."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from app.core.alert.alert import Alert, Notification
from app.core.text.compact import compact

PENDING: Final = "pending"


def notification_fields(notification: Notification) -> list[Any]:
    """Return the fields of a notification before its first attempt: field, value, …."""
    alert = compact(notification.alert.as_json())
    decided_at = notification.decided_at.timestamp()
    fields = {"receiver": notification.receiver, "alert": alert, "decided_at": decided_at, "state": PENDING}
    fields |= {"attempts": 0, "stands_in_for": notification.stands_in_for}
    return [part for pair in fields.items() for part in pair]


def read_notification(notification_id: str, found: Mapping[str, str]) -> Notification:
    return Notification(
        notification_id,
        found["receiver"],
        at(found["decided_at"]),
        Alert.from_json(found["alert"]),
        found.get("stands_in_for", ""),
    )


def history_row(notification_id: str, row: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return a notification in the form shown by pages, the API and commands."""
    text = {name.decode(): value.decode() for name, value in row.items()}
    alert = Alert.from_json(text["alert"])
    return {
        "id": notification_id,
        "receiver": text["receiver"],
        "state": text["state"],
        "attempts": int(text["attempts"]),
        "error": text.get("error") or None,
        "held": text.get("held") or None,
        "held_until": float(text["held_until"]) if text.get("held") else None,
        "decided_at": float(text["decided_at"]),
        "sent_at": float(text["sent_at"]) if "sent_at" in text else None,
        "headline": alert.headline,
        "reason": alert.reason.value,
        "level": alert.level,
        "alert": alert.name or alert.meter,
        "stands_in_for": text.get("stands_in_for") or None,
    }


def at(moment: str | float) -> datetime:
    return datetime.fromtimestamp(float(moment), UTC)
