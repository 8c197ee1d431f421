"""Answers about deliveries: the verdict on each of Coder's notifications."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field

from app.answers.alerts import LIMIT
from app.answers.relays import Relay
from app.answers.shape import Answer, Moment, Sent, one_of
from app.core.count.rules import EvidenceKind, Outcome
from app.store import history
from app.store.relay.relayviews import RelayRow
from app.store.store import Store


class Verdict(Answer):
    outcome: str = one_of(Outcome)
    evidence: str | None = one_of(EvidenceKind)
    rule: str
    reason: str
    hint: str | None


class Deletion(Answer):
    by: str
    at: Moment


class Delivery(Answer):
    message_id: str
    received_at: Moment
    template: str
    verdict: Verdict
    workspace_id: str | None
    workspace: str | None
    owner: str | None
    deleted: Deletion | None = Field(description="Who deleted its job; null if nobody did.")
    relays: list[Relay] = Field(description="Its relays and forwards, with their states.")
    payload: Sent = Field(description="The stored payload, without secrets and prompts; null in lists.")

    @classmethod
    def of(cls, stored: dict[str, Any], relays: Sequence[RelayRow] = (), *, payload: bool = True) -> Self:
        """Return a stored delivery, optionally without its payload."""
        verdict = {name: stored["verdict"].get(name) for name in Verdict.model_fields}
        deleted = Deletion.pick(stored["deleted"]) if stored.get("deleted") else None
        known = {**dict.fromkeys(cls.model_fields), **stored, "verdict": verdict, "deleted": deleted}
        known["relays"] = [Relay.of(row) for row in relays]
        return cls.pick(known if payload else {**known, "payload": None})


class Deliveries(Answer):
    """Deliveries, newest first, without their payloads."""

    deliveries: list[Delivery]
    next: str | None

    @classmethod
    def of(cls, store: Store, limit: int = LIMIT, before: str | None = None) -> Self:
        """Return a page; arguments and errors as for `Events.of`."""
        rows, following = history.deliveries(store, before, limit)
        relays = store.relayviews.of([row["message_id"] for row in rows])
        found = [Delivery.of(row, relays[row["message_id"]], payload=False) for row in rows]
        return cls(deliveries=found, next=following)
