"""Answers about the audit trail: who did what."""

from typing import Self

from app.answers.shape import Answer, Moment
from app.store.store import Store


class AuditEntry(Answer):
    at: Moment
    actor: str
    action: str
    detail: str


class Audit(Answer):
    """Who did what, newest first."""

    audit: list[AuditEntry]

    @classmethod
    def of(cls, store: Store, limit: int) -> Self:
        return cls(audit=[AuditEntry.pick(entry) for entry in store.audit.newest(limit)])
