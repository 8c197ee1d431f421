"""Answers about deliveries: which verdict each of Coder's notifications got."""

from typing import Any, Self

from pydantic import Field

from app.answers.alerts import LIMIT
from app.answers.shape import Answer, Moment, Sent, one_of
from app.core.count.rules import EvidenceKind, Outcome
from app.store import history
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
    deleted: Deletion | None = Field(description="Who deleted its job, where somebody did.")
    payload: Sent = Field(description="What was kept of it, without secrets and prompts; null in lists.")

    @classmethod
    def of(cls, stored: dict[str, Any], *, payload: bool = True) -> Self:
        """Return a delivery as the store keeps it; without its payload where that is not asked for."""
        verdict = {name: stored["verdict"].get(name) for name in Verdict.model_fields}
        deleted = Deletion.pick(stored["deleted"]) if stored.get("deleted") else None
        known = {**dict.fromkeys(cls.model_fields), **stored, "verdict": verdict, "deleted": deleted}
        return cls.pick(known if payload else {**known, "payload": None})


class Deliveries(Answer):
    """Deliveries, newest first, without their payloads."""

    deliveries: list[Delivery]
    next: str | None

    @classmethod
    def of(cls, store: Store, limit: int = LIMIT, before: str | None = None) -> Self:
        """Return a page; arguments and errors as of `Events.of`."""
        rows, following = history.deliveries(store, before, limit)
        return cls(deliveries=[Delivery.of(row, payload=False) for row in rows], next=following)
