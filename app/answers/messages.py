"""Answers about messages: the notifications to receivers, and the receivers."""

from typing import Self

from pydantic import Field

from app.answers.alerts import LIMIT
from app.answers.shape import Answer, Blank, Moment, one_of
from app.config.load import Config
from app.core.alert.decision import Reason
from app.notifiers.receivers import receivers
from app.store import history
from app.store.store import Store


class Notification(Answer):
    id: str
    alert: str
    reason: str = one_of(Reason)
    level: Blank
    headline: str
    receiver: str
    stands_in_for: str | None
    state: str = Field(description="pending, sent, failed, silenced, superseded or dry-run.")
    attempts: int
    error: str | None
    held: str | None = Field(description="Why it is held; null if it is not.")
    held_until: Moment | None
    decided_at: Moment
    sent_at: Moment | None


class Notifications(Answer):
    """Messages with attempts, error and times, newest first."""

    notifications: list[Notification]
    next: str | None

    @classmethod
    def of(cls, store: Store, limit: int = LIMIT, before: str | None = None) -> Self:
        """Return a page; arguments and errors as for `Events.of`."""
        rows, following = history.notifications(store, before, limit)
        return cls(notifications=[Notification.pick(row) for row in rows], next=following)


class Receiver(Answer):
    name: str
    kind: str


class Receivers(Answer):
    """The configured receivers, and problems in their settings."""

    receivers: list[Receiver]
    problems: list[str]
    dry_run: bool

    @classmethod
    def of(cls, config: Config) -> Self:
        from app.notifiers.directory import problems  # noqa: PLC0415 - slow to import, and `awb status` needs it not

        found = [Receiver(name=name, kind=name.partition(":")[0]) for name in receivers(config.settings)]
        return cls(receivers=found, problems=problems(config.settings), dry_run=config.settings.dry_run)
