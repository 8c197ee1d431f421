"""What a licence grants, and what Coder metered against it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

UNLIMITED: Final = -1
#: What Premium includes without a claim of its own, and the period that goes with it.
_INCLUDED: Final = 1000
_INCLUDED_FROM: Final = datetime(2025, 7, 1, tzinfo=UTC)
_INCLUDED_TO: Final = datetime(2125, 7, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Licence:
    """A Premium licence, as far as Agent Workspace Builds go; unchanged, the limit that Premium includes.

    Attributes:
        limit: -1 is unlimited; 0 disables the feature.
        soft_limit: what the licences of 2025 had below their (hard) limit.
        entitled: False for a licence that does not cover the feature.
        enabled: False where the feature is turned off anyway.
    """

    limit: int = _INCLUDED
    soft_limit: int | None = None
    period_start: datetime = _INCLUDED_FROM
    period_end: datetime = _INCLUDED_TO
    issued_at: datetime = _INCLUDED_FROM
    entitled: bool = True
    enabled: bool = True

    def expired(self, at: datetime) -> bool:
        return at >= self.period_end

    def covers(self, at: datetime) -> bool:
        """Return whether Coder adds this moment's builds: by whole UTC days, and both ends belong to the period."""
        return self.period_start.astimezone(UTC).date() <= at.date() <= self.period_end.astimezone(UTC).date()


@dataclass(frozen=True, slots=True)
class AgentHours:
    """Runtime hours of Coder Agents, which v2.37 and later meter; the period is the licence's."""

    limit: int
    soft_limit: int
    hard_limit: int
    used_ms: int = 0


@dataclass(frozen=True, slots=True)
class Seats:
    """Seats of the AI Governance add-on."""

    limit: int
    used: int


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """What Coder's own tally consists of; it does not tell which build it was."""

    at: datetime
    count: int = 1
