"""Entitlements become limit, period and licence status: every shape that Coder's versions and licences give."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app.core.coder.shapes import AWB_FEATURE, Entitlements
from app.core.limit.entitlement import Allowance, LicenceStatus, allowance
from app.core.limit.limits import Limit
from app.core.limit.period import Period

CONFIGURED = Limit(700, 600)
YEAR = {"start": "2026-01-01T00:00:00Z", "end": "2026-12-31T23:59:59Z"}
OF_YEAR = Period(date(2026, 1, 1), date(2027, 1, 1))


def entitlements(*, has_license: bool = True, **feature: Any) -> Entitlements:
    given: dict[str, Any] = {"entitlement": "entitled", "enabled": True, "usage_period": YEAR, **feature}
    features = {AWB_FEATURE: {name: value for name, value in given.items() if value != "missing"}}
    return Entitlements.model_validate({"features": features, "has_license": has_license})


def found(said: Entitlements | None) -> Allowance:
    return allowance(said, AWB_FEATURE, CONFIGURED)


def test_unknown_entitlements_leave_the_configured_limit() -> None:
    assert found(None) == Allowance(LicenceStatus.UNKNOWN, CONFIGURED)


@pytest.mark.parametrize(
    "said",
    [
        entitlements(has_license=False, entitlement="not_entitled", enabled=False, usage_period=None),
        entitlements(has_license=False, limit=5, actual=7),
        Entitlements(),
    ],
    ids=["as the server says it", "with numbers all the same", "nothing at all"],
)
def test_without_a_licence_the_configured_limit_and_our_own_count_hold(said: Entitlements) -> None:
    assert found(said) == Allowance(LicenceStatus.UNLICENSED, CONFIGURED)


def test_premium_without_a_claim_includes_a_thousand_for_good() -> None:
    period = {"start": "2025-07-01T00:00:00Z", "end": "2125-07-01T00:00:00Z"}
    said = entitlements(limit=1000, actual=12, usage_period=period)
    assert found(said) == Allowance(LicenceStatus.ENTITLED, Limit(1000), Period(date(2025, 7, 1), None), 12)


@pytest.mark.parametrize("limit", [1, 250, 699, 1001, 50_000])
def test_a_claim_of_the_licence_wins_whether_smaller_or_larger(limit: int) -> None:
    assert found(entitlements(limit=limit, actual=3)) == Allowance(LicenceStatus.ENTITLED, Limit(limit), OF_YEAR, 3)


@pytest.mark.parametrize(
    ("limit", "soft", "expected"),
    [
        (200, 100, Limit(200, 100)),
        (200, 199, Limit(200, 199)),
        (200, 1, Limit(200, 1)),
        (100, 100, Limit(100)),
        (100, 300, Limit(100)),
        (100, 0, Limit(100)),
        (100, -1, Limit(100)),
        (100, None, Limit(100)),
        (-1, 50, Limit(None)),
        (-1, None, Limit(None)),
    ],
)
def test_a_soft_limit_counts_only_between_zero_and_the_limit(limit: int, soft: int | None, expected: Limit) -> None:
    answer = found(entitlements(limit=limit, soft_limit=soft))
    assert (answer.licence, answer.limit) == (LicenceStatus.ENTITLED, expected)


def test_a_hard_limit_of_its_own_changes_nothing() -> None:
    assert found(entitlements(limit=100, hard_limit=400)).limit == Limit(100)


@pytest.mark.parametrize(
    "feature",
    [
        {"limit": 0, "enabled": False, "actual": 0},
        {"limit": 0, "enabled": True, "actual": 4},
        {"limit": 500, "enabled": False, "actual": 4},
        {"limit": 500, "enabled": "missing", "actual": 4},
        {"limit": 500, "entitlement": "not_entitled", "actual": 4},
        {"limit": None, "actual": 4},
    ],
    ids=[
        "limit zero",
        "limit zero, said to be enabled",
        "switched off",
        "enabled not said",
        "not entitled",
        "no limit",
    ],
)
def test_a_licence_that_does_not_cover_the_feature_includes_nothing(feature: dict[str, Any]) -> None:
    answer = Allowance(LicenceStatus.NOT_ENTITLED, Limit(0), OF_YEAR, feature["actual"])
    assert found(entitlements(**feature)) == answer


def test_a_licence_without_the_feature_includes_nothing() -> None:
    said = Entitlements.model_validate({"has_license": True, "features": {"audit_log": {"entitlement": "entitled"}}})
    assert found(said) == Allowance(LicenceStatus.NOT_ENTITLED, Limit(0))


def test_in_the_grace_period_limit_period_and_number_stay() -> None:
    said = entitlements(entitlement="grace_period", limit=300, actual=9)
    assert found(said) == Allowance(LicenceStatus.GRACE, Limit(300), OF_YEAR, 9)


def test_without_a_usage_period_none_is_reported() -> None:
    assert found(entitlements(limit=300, usage_period=None)).period is None


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-02-10T00:00:00Z", "2026-02-10T00:00:00Z", Period(date(2026, 2, 10), date(2026, 2, 11))),
        ("2026-02-10T23:59:59Z", "2027-02-10T00:00:00Z", Period(date(2026, 2, 10), date(2027, 2, 11))),
        ("2026-02-10T13:30:00Z", "2027-02-09T13:30:00Z", Period(date(2026, 2, 10), date(2027, 2, 10))),
        # In UTC the day before, and the day after.
        ("2026-02-10T00:30:00+02:00", "2027-02-09T22:30:00-03:00", Period(date(2026, 2, 9), date(2027, 2, 11))),
    ],
)
def test_both_ends_of_a_period_are_whole_utc_days_that_belong_to_it(start: str, end: str, expected: Period) -> None:
    assert found(entitlements(limit=1, usage_period={"start": start, "end": end})).period == expected


@pytest.mark.parametrize(("years", "for_good"), [(1, False), (49, False), (50, True), (100, True)])
def test_a_period_of_half_a_century_is_for_good(years: int, for_good: bool) -> None:
    first = datetime(2025, 7, 1, tzinfo=UTC)
    last = first.replace(year=2025 + years)
    period = found(entitlements(limit=1, usage_period={"start": first.isoformat(), "end": last.isoformat()})).period
    assert period == Period(date(2025, 7, 1), None if for_good else last.date() + timedelta(days=1))


@pytest.mark.parametrize("feature", ["agent_runtime_hours", "ai_governance_user_limit"])
def test_another_features_allowance_is_read_by_its_name(feature: str) -> None:
    said = Entitlements.model_validate(
        {
            "has_license": True,
            "features": {
                AWB_FEATURE: {"entitlement": "entitled", "enabled": True, "limit": 1, "actual": 1},
                feature: {"entitlement": "entitled", "enabled": True, "limit": 40, "actual": 30, "soft_limit": 20},
            },
        }
    )
    assert allowance(said, feature, CONFIGURED) == Allowance(LicenceStatus.ENTITLED, Limit(40, 20), None, 30)
