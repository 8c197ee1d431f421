"""Where usage stands against the limit, in a few words: for the overview, the badge and `awb status`."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.alert.severity import Severity
from app.core.count.meter import Usage
from app.core.limit.threshold import Threshold, highest_level


@dataclass(frozen=True, slots=True)
class UsageStatus:
    """How serious the usage is, and a few words that say why."""

    severity: Severity
    words: str


def usage_status(usage: Usage, thresholds: Sequence[Threshold], *, projected: bool = True) -> UsageStatus:
    """Compare usage with its limit and the thresholds.

    A limit of zero is a warning even without usage, because Coder may then refuse to start workspaces for tasks.

    Args:
        usage: the usage of a period.
        thresholds: the configured thresholds.
        projected: whether usage is projected to exceed the limit; true if that is unknown (`Forecast.exceeds`).
    """
    used, count = usage.used, usage.limit.count
    if usage.gone:
        return UsageStatus(Severity.OK, "No longer counted")
    if count == 0:
        empty = "No builds are included"
        return UsageStatus(Severity.CRITICAL, f"Over the limit: {empty.lower()}") if used else _warning(empty)
    if count is not None and used >= count:
        return UsageStatus(
            Severity.CRITICAL, f"Over the limit by {used - count:,}" if used > count else "Limit reached"
        )
    level = highest_level(used, usage.limit, thresholds, projected=projected)
    if level is not None:
        return _warning(f"Past {'the ' if level.name[0].isalpha() else ''}{level.name}")
    if count is None:
        return UsageStatus(Severity.OK, "Unlimited")
    return UsageStatus(Severity.OK, "Below all thresholds" if projected else "Not projected to reach the limit")


def _warning(words: str) -> UsageStatus:
    return UsageStatus(Severity.WARNING, words)
