"""Answers about relayed messages: to people and to other webhooks."""

from typing import Self

from pydantic import Field

from app.answers.alerts import LIMIT
from app.answers.shape import Answer, Blank, Moment, one_of
from app.config.load import Config
from app.pipeline.relay.targetstatus import Condition, target_statuses
from app.store.relay.relayviews import RelayRow
from app.store.store import Store


class Relay(Answer):
    """One message and one target."""

    message_id: str
    target: str = Field(description="`relay` is the person it is for, `forward:<name>` another webhook.")
    template: str
    received_at: Moment
    state: str = Field(description="pending, sent or failed.")
    via: Blank = Field(description="The method used: email, slack or webhook.")
    attempts: int
    reason: Blank = Field(description="Why it has not been delivered, or a remark on the delivery.")
    at: Moment | None = Field(description="When it was delivered or last tried.")

    @classmethod
    def of(cls, row: RelayRow) -> Self:
        return cls.pick(row)


class Target(Answer):
    """A summary of one target."""

    target: str
    condition: str = one_of(Condition)
    summary: str
    pending: int
    failed_lately: int = Field(description="Messages that failed within 24 hours.")


class Relays(Answer):
    """Relayed messages, newest first, and the status of each target."""

    relays: list[Relay]
    next: str | None
    targets: list[Target]

    @classmethod
    def of(
        cls,
        store: Store,
        config: Config,
        limit: int = LIMIT,
        before: str | None = None,
        *,
        state: str = "",
        target: str = "",
    ) -> Self:
        """Return a page of at most that many messages.

        Raises:
            ValueError: `before` is invalid.
        """
        rows, following = store.relayviews.page(before, limit, state, target)
        found = [Target.pick(target) for target in target_statuses(store, config)]
        return cls(relays=[Relay.of(row) for row in rows], next=following, targets=found)


class Replayed(Answer):
    """Result of a request to replay."""

    message_id: str
    target: str
    outcome: str = Field(description="queued: it is retried.")
