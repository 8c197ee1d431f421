"""Answers about usage records: what was counted, and why."""

from typing import Self
from urllib.parse import quote

from pydantic import Field

from app.answers.shape import Answer, Moment
from app.config.load import Config
from app.core.count.meter import RecordState, UsageRecord
from app.store.receive.inbox import Inbox
from app.store.store import Store


class Record(Answer):
    key: str = Field(
        description="What was consumed: `build:` and its id if proved, otherwise `hint:`, the workspace and a number."
    )
    meter: str
    state: RecordState
    at: Moment = Field(description="When the build completed; until it is proved, when the notification arrived.")
    workspace_id: str
    workspace: str
    owner: str
    template: str
    organization: str
    build_id: str | None
    rule: str
    reason: str
    deliveries: list[str] = Field(description="Ids of the messages that are evidence for it.")
    weight: int


class Records(Answer):
    records: list[Record]
    next: str | None = Field(
        description="Cursor of the next page; null on the last page. A page may be short or empty."
    )


class Proof(Answer):
    """A delivery that is evidence for a record; after AWB_KEEP_DAYS only its id is known."""

    message_id: str
    received_at: Moment | None
    notification: str | None
    rule: str | None

    @classmethod
    def of(cls, message_id: str, inbox: Inbox) -> Self:
        found = inbox.delivery(message_id) or {}
        return cls(
            message_id=message_id,
            received_at=found.get("received_at"),
            notification=found.get("template"),
            rule=found["verdict"]["rule"] if found else None,
        )


class ExplainedRecord(Record):
    """A record with its workspace's URL in Coder and its deliveries."""

    workspace_url: str | None
    delivery_details: list[Proof]

    @classmethod
    def of(cls, record: UsageRecord, store: Store, config: Config) -> Self:
        return cls(
            **dict(Record.pick(record)),
            workspace_url=workspace_url(record, store.deployment, config),
            delivery_details=[Proof.of(message_id, store.inbox) for message_id in record.deliveries],
        )


def workspace_url(record: UsageRecord, deployment: str, config: Config) -> str | None:
    """Return the workspace's URL in Coder; None if the configuration does not contain Coder's URL."""
    base = config.settings.coder_url
    if not (base and record.owner and record.workspace) or deployment != config.settings.deployment:
        return None
    return f"{base.rstrip('/')}/@{quote(record.owner, safe='')}/{quote(record.workspace, safe='')}"
