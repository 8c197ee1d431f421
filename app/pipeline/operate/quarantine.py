"""Review of the quarantine: a body is shown redacted, and can be released once it is readable, or discarded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.core.count.delivery import InvalidDeliveryError, read_delivery
from app.core.count.redaction import redact
from app.store.receive.quarantine import QuarantinedBody
from app.store.rq import readyjob
from app.store.store import Store


class Released(StrEnum):
    """Result of a request to release a body."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"
    NOT_KEPT = "not kept"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class BodyView:
    """A quarantined body, for display.

    Attributes:
        content: its JSON, redacted; None if there is none that may be shown.
        note: why there is no content.
        problem: why the current code does not accept it as a notification; empty if it can be released.
    """

    body: QuarantinedBody
    content: Any
    note: str
    problem: str


def show(store: Store, message_id: str) -> BodyView | None:
    """Return a quarantined body; None if the id is unknown or has expired."""
    found = store.quarantine.find(message_id)
    if found is None:
        return None
    if found.body is None:
        return BodyView(found, None, "It might contain a secret, so only its size was stored.", found.reason)
    content, note = _content(found.body)
    try:
        read_delivery(found.body, message_id)
    except InvalidDeliveryError as error:
        return BodyView(found, content, note, error.reason)
    return BodyView(found, content, note, "")


def release(store: Store, message_id: str, by: str) -> Released:
    """Queue a body that is readable now for classification, and remove it from the quarantine.

    If the process dies in between, the body is in both places; releasing it again then creates a duplicate, which is
    ignored.
    """
    quarantine, inbox = store.quarantine, store.inbox
    found = quarantine.find(message_id)
    if found is None or found.body is None:
        return Released.NOT_KEPT if found else Released.NOT_KNOWN
    try:
        delivery = read_delivery(found.body, message_id)
    except InvalidDeliveryError:
        return Released.UNREADABLE
    store.audit.write(by, "release from quarantine", message_id)
    received_at = found.received_at.timestamp()
    job = readyjob.delivery_job(store.deployment, delivery.message_id, received_at, delivery.payload)
    # The inbox stores when Coder last posted, which a release must not change.
    last_delivery = inbox.stats().get("last_delivery_at", 0.0)
    new = inbox.accept(job, delivery.message_id, max(received_at, last_delivery))
    quarantine.remove(message_id)
    return Released.QUEUED if new else Released.DUPLICATE


def discard(store: Store, message_id: str, by: str) -> bool:
    """Delete a body; True if it existed."""
    quarantine = store.quarantine
    found = quarantine.find(message_id)
    if found is None:
        return False
    store.audit.write(by, "discard from quarantine", f"{message_id}, {found.size} bytes")
    return quarantine.remove(message_id)


def _content(body: bytes) -> tuple[Any, str]:
    """Return the redacted JSON of a body, or why it cannot be shown; text without keys cannot be redacted."""
    try:
        value = json.loads(body)
        return (redact(value) if isinstance(value, Mapping) else redact({"body": value})["body"]), ""
    except json.JSONDecodeError as error:
        return None, f"It is not JSON ({error.msg}, line {error.lineno}, column {error.colno}), so it is not shown."
    except (ValueError, RecursionError):
        return None, "It is not valid JSON, so it is not shown."
