"""Limits: a number, zero, or unlimited. Never divide by a limit: it may be zero."""

from dataclasses import dataclass
from typing import Final

#: The included builds of Community and Premium (https://coder.com/docs/ai-coder/ai-governance, Agent Workspace Build
#: Limits).
INCLUDED_BUILDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Limit:
    """The included units of a meter.

    Attributes:
        count: the number; None for unlimited (-1 in Coder).
        soft: a soft limit of the licence below `count`; None if there is none.
    """

    count: int | None
    soft: int | None = None

    @property
    def unlimited(self) -> bool:
        return self.count is None

    def left(self, used: int) -> int | None:
        """Return the units left, at least zero; None if unlimited."""
        return None if self.count is None else max(self.count - used, 0)

    def percent(self, used: int) -> float | None:
        """Return the share used in per cent; None without a positive limit.

        It is rounded down to one decimal, so that 100.0 means that the limit is reached.
        """
        if not self.count:
            return None
        return used * 1000 // self.count / 10
