"""Which versions of Coder have which meter.

Coder Tasks, and with them Agent Workspace Builds, left with v2.37 of September 2026 (coder/coder PR 28789, PR 29085);
the extended support releases keep both under their own, lower numbers. From v2.37 on the licence's count of builds
never moves again, so that its limit means nothing.
"""

from collections.abc import Mapping
from typing import Final

from app.core.coder.versions import TASKS_GONE, Trait, Version
from app.core.count.meter import AWB

#: Which versions lack a meter; what is not named has no end.
GONE: Final[Mapping[str, Trait]] = {AWB: TASKS_GONE}
#: Shown instead of the number.
NO_LONGER_COUNTED: Final = (
    "This version of Coder has no Coder Tasks: Agent Workspace Builds are no longer counted. "
    "Coder Agents are metered by agent runtime hours and AI Governance seats."
)


def is_gone(meter: str, version: Version | None) -> bool:
    """Return whether this version of Coder no longer has a meter; an unknown version still has it."""
    return meter in GONE and GONE[meter].holds(version)
