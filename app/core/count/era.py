"""Which versions of Coder have which meter.

Coder v2.37 of September 2026 removed Coder Tasks, and with them Agent Workspace Builds (coder/coder PR 28789, PR
29085); the extended support releases keep both under their own, lower version numbers. From v2.37 on, the licence's
count of builds never changes, and its limit has no effect.
"""

from collections.abc import Mapping
from typing import Final

from app.core.coder.versions import TASKS_GONE, Trait, Version
from app.core.count.meter import AWB

#: The versions without a meter; a meter that is not listed exists in all versions.
GONE: Final[Mapping[str, Trait]] = {AWB: TASKS_GONE}
#: Shown instead of a number.
NO_LONGER_COUNTED: Final = (
    "This version of Coder has no Coder Tasks: Agent Workspace Builds are no longer counted. "
    "Coder Agents are metered by agent runtime hours and AI Governance seats."
)


def is_gone(meter: str, version: Version | None) -> bool:
    """Return whether this version of Coder no longer has a meter; false for an unknown version."""
    return meter in GONE and GONE[meter].holds(version)
