"""Scenes: the data of sample messages. Usage is made up; limit, period and links are the real ones."""

from dataclasses import dataclass
from datetime import UTC, datetime

from app.core.alert.decision import AlertState, Decision, Reason
from app.core.alert.scope import BurstRule
from app.core.count.meter import Usage
from app.core.wording.context import Context


@dataclass(frozen=True, slots=True)
class Scene:
    """The data of a sample message.

    Attributes:
        now: in the admin's time zone.
        usage: with top users and templates.
        level: the threshold that is reached, such as `90%`.
        context: with forecast and burn-up.
        burst: the configured rule; 0 builds if there is none.
    """

    now: datetime
    usage: Usage
    level: str
    context: Context
    burst: BurstRule

    @property
    def decision(self) -> Decision:
        return Decision(Reason.FIRST, self.level, "", f"Usage reached {self.level}.", AlertState(level=self.level))

    @property
    def links_only(self) -> Context:
        """The context for alerts that need no numbers."""
        return Context(coder_url=self.context.coder_url, status_url=self.context.status_url)

    @property
    def utc(self) -> datetime:
        return self.now.astimezone(UTC)
