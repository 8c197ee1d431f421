"""Limits: a number, zero, or unlimited. Zero and unlimited are states, never divisors."""

from dataclasses import dataclass
from typing import Final

#: Included in Community and Premium (https://coder.com/docs/ai-coder/ai-governance, Agent Workspace Build Limits).
INCLUDED_BUILDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of a meter is included.

    Attributes:
        count: units included; None is unlimited (Coder writes -1).
        soft: units from which on Coder's licence already mentions "included"; None if there is none.
    """

    count: int | None
    soft: int | None = None

    @property
    def unlimited(self) -> bool:
        return self.count is None

    def left(self, used: int) -> int | None:
        """Units left, never below zero; None when unlimited."""
        return None if self.count is None else max(self.count - used, 0)

    def percent(self, used: int) -> float | None:
        """Share used in per cent, rounded down to one decimal so that 100.0 means reached; None without a divisor."""
        if not self.count:
            return None
        return used * 1000 // self.count / 10
