"""What a licence grants, and the usage that Coder metered against it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

UNLIMITED: Final = -1
#: What Premium includes if it has no claim for the feature, and the period of that allowance.
_INCLUDED: Final = 1000
_INCLUDED_FROM: Final = datetime(2025, 7, 1, tzinfo=UTC)
_INCLUDED_TO: Final = datetime(2125, 7, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Licence:
    """A Premium licence, limited to what concerns Agent Workspace Builds. By default it has Premium's included limit.

    Attributes:
        limit: -1 is unlimited; 0 disables the feature.
        soft_limit: the included number in licences of 2025, below their (hard) limit.
        entitled: false if the licence does not cover the feature.
        enabled: false if the feature is turned off regardless.
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
        """Return whether Coder counts this moment's builds: by whole UTC days, including both ends of the period."""
        return self.period_start.astimezone(UTC).date() <= at.date() <= self.period_end.astimezone(UTC).date()


@dataclass(frozen=True, slots=True)
class AgentHours:
    """Runtime hours of Coder Agents, metered by v2.37 and later, in the licence's period."""

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
    """One event in Coder's own record of usage; it does not identify the build."""

    at: datetime
    count: int = 1
