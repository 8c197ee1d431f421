"""How serious something is."""

from collections.abc import Sequence
from enum import StrEnum

from app.core.count.meter import Usage
from app.core.limit.threshold import Threshold, highest_level


class Severity(StrEnum):
    """How an alert looks; colour is never alone."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


def usage_severity(usage: Usage, thresholds: Sequence[Threshold], *, projected: bool = True) -> Severity:
    """Return how serious a usage is: critical from the limit on, a warning from the first threshold on."""
    if usage.limit.count is None:
        return Severity.OK
    if usage.used >= usage.limit.count and usage.used:
        return Severity.CRITICAL
    passed = highest_level(usage.used, usage.limit, thresholds, projected=projected) is not None
    return Severity.WARNING if passed or usage.limit.count == 0 else Severity.OK
