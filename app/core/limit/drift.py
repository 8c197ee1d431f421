"""Drift: the difference between our count and Coder's, and its known causes.

A constant difference has known causes and is only shown; a growing one means that one of the two counts is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.core.coder.versions import TALLY_BUG

# Coder refreshes its number every 10 minutes, and replicas differ, so shorter changes mean nothing.
_SETTLED: Final = timedelta(hours=2)
_GROWTH_WINDOW: Final = timedelta(days=7)
# The growth within the window, in builds, that triggers an alert.
_GROWTH_ALERT: Final = 5


@dataclass(frozen=True, slots=True)
class DriftPoint:
    """Our count and Coder's for the same builds: those that ended by `at`, the time of Coder's refresh."""

    at: datetime
    counted: int
    actual: int

    @property
    def drift(self) -> int:
        """The difference; positive if we count more than Coder."""
        return self.counted - self.actual


def growth(history: Sequence[DriftPoint], period_start: datetime) -> int:
    """Return the change of the drift since a week ago, or since the period's first settled point.

    Args:
        history: the points, oldest first.
        period_start: points before it are ignored, because they belong to another count.
    """
    points = [point for point in history if point.at >= period_start]
    if not points:
        return 0
    newest = points[-1]
    older = [point for point in points if newest.at - point.at >= _SETTLED]
    recent = [point for point in older if newest.at - point.at <= _GROWTH_WINDOW]
    if not recent:
        return 0
    then = recent[0].drift
    same_side = newest.drift * then >= 0
    return abs(newest.drift) - abs(then) if same_side else abs(newest.drift - then)


def is_growing(history: Sequence[DriftPoint], period_start: datetime) -> bool:
    return growth(history, period_start) >= _GROWTH_ALERT


def known_causes(drift: int, version: tuple[int, int, int] | None, *, sees_deleted: bool) -> list[str]:
    """Return the known causes of a drift with this sign, most likely first.

    Args:
        drift: our count minus Coder's.
        version: Coder's version, if known.
        sees_deleted: whether the token may read provisioner jobs or the audit log, which show deleted workspaces.
    """
    causes = []
    if drift < 0:
        if version is None or TALLY_BUG.holds(version):
            causes.append(
                "Coder v2.28.0 to v2.28.8 and v2.29.0 to v2.29.3 counted every start of a workspace from an AI "
                "template, and such counts stay (coder/coder PR 21696)."
            )
        else:
            causes.append(
                "If this deployment once ran Coder v2.28.0 to v2.28.8 or v2.29.0 to v2.29.3, those counted every start "
                "of a workspace from an AI template, and such counts stay (coder/coder PR 21696)."
            )
        if not sees_deleted:
            causes.append(
                "Workspaces of deleted tasks count, and this token does not find them: `awb coder check` says why."
            )
            causes.append("Builds of tasks that were deleted before this meter first looked are not visible any more.")
    if drift > 0:
        causes.append("Coder's count began later than the period, when usage reporting first ran in its version.")
        causes.append("Coder counts whole UTC days and refreshes its number every 10 minutes.")
    return causes
