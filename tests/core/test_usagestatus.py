"""Where usage stands against the limit, in a few words."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from app.core.alert.severity import Severity
from app.core.count.meter import AWB, Usage
from app.core.limit.limits import Limit
from app.core.limit.period import Period
from app.core.limit.threshold import Threshold
from app.core.wording.usagestatus import UsageStatus, usage_status

THRESHOLDS = tuple(Threshold.parse(item) for item in ("75%", "90%", "100%", "+10%", "2000 builds"))
OK, WARNING, CRITICAL = Severity.OK, Severity.WARNING, Severity.CRITICAL


def usage(used: int, limit: int | None = 1000, soft: int | None = None) -> Usage:
    period = Period(date(2026, 1, 1), None)
    return Usage("default", AWB, period, Limit(limit, soft), used, 0, datetime(2026, 5, 4, tzinfo=UTC))


@pytest.mark.parametrize(
    ("used", "limit", "soft", "severity", "words"),
    [
        (0, 1000, None, OK, "Below all thresholds"),
        (749, 1000, None, OK, "Below all thresholds"),
        (750, 1000, None, WARNING, "Past 75%"),
        (999, 1000, None, WARNING, "Past 90%"),
        (600, 1000, 500, WARNING, "Past the soft limit"),
        (1000, 1000, None, CRITICAL, "Limit reached"),
        (1210, 1000, None, CRITICAL, "Over the limit by 210"),
        (5, None, None, OK, "Unlimited"),
        (2000, None, None, WARNING, "Past 2000 builds"),
        (0, 0, None, WARNING, "No builds are included"),
        (1, 0, None, CRITICAL, "Over the limit: no builds are included"),
    ],
)
def test_usage_is_ok_a_warning_from_the_first_threshold_and_critical_from_the_limit(
    used: int, limit: int | None, soft: int | None, severity: Severity, words: str
) -> None:
    assert usage_status(usage(used, limit, soft), THRESHOLDS) == UsageStatus(severity, words)


def test_a_threshold_that_waits_for_the_projection_gives_no_warning_until_the_limit_is_projected() -> None:
    waiting = (Threshold.parse("80% if projected"),)
    assert usage_status(usage(850), waiting) == UsageStatus(WARNING, "Past 80%")
    assert usage_status(usage(850), waiting, projected=False) == UsageStatus(OK, "Not projected to reach the limit")
    assert usage_status(usage(1000), waiting, projected=False) == UsageStatus(CRITICAL, "Limit reached")


def test_a_meter_that_is_no_longer_counted_is_never_a_warning() -> None:
    old = replace(usage(5000, None), gone=True)
    assert usage_status(old, THRESHOLDS) == UsageStatus(OK, "No longer counted")
