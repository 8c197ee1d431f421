"""Notices: what holds is told with the same key for as long as it is the same matter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.alert.notice import Notice, Situation, active_notices
from app.core.alert.severity import Severity
from app.core.coder.shapes import Entitlements
from app.core.limit.drift import DriftPoint
from app.core.limit.entitlement import Allowance, LicenceStatus
from app.core.limit.limits import Limit

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PERIOD = datetime(2026, 1, 1, tzinfo=UTC)
QUIET: dict[str, Any] = {
    "deployment": "prod",
    "now": NOON,
    "entitlements": None,
    "allowance": Allowance(LicenceStatus.ENTITLED, Limit(1000)),
    "version": (2, 31, 2),
    "history": [],
    "period_start": PERIOD,
    "unreached_since": None,
    "failure": "",
    "silent_since": NOON - timedelta(hours=100),
    "proved_since_silence": 0,
    "silence_allowed": timedelta(hours=24),
    "sees_deleted": True,
}


def notices(**changed: Any) -> list[Notice]:
    return active_notices(Situation(**{**QUIET, **changed}))


def keys(**changed: Any) -> list[str]:
    return [notice.key for notice in notices(**changed)]


def saying(*warnings: str, errors: tuple[str, ...] = ()) -> Entitlements:
    return Entitlements(has_license=True, warnings=list(warnings), errors=list(errors))


def drifting(*drifts: int) -> list[DriftPoint]:
    days = len(drifts) - 1
    return [DriftPoint(NOON - timedelta(days=days - n), 100 + drift, 100) for n, drift in enumerate(drifts)]


def test_where_all_is_well_nothing_is_reported() -> None:
    assert notices() == []
    assert notices(entitlements=saying(), history=drifting(-30, -30, -30)) == []


def test_each_warning_and_each_error_of_coder_is_a_notice_of_its_own() -> None:
    found = notices(entitlements=saying("Renew.", "Seats are short.", errors=("Broken.",)))
    assert [(notice.severity, notice.headline) for notice in found] == [
        (Severity.CRITICAL, "Coder licence error"),
        (Severity.WARNING, "Coder licence warning"),
        (Severity.WARNING, "Coder licence warning"),
    ]
    assert len({notice.key for notice in found}) == 3
    assert "Renew." in found[1].summary


def test_a_warning_and_an_error_of_the_same_words_are_two_matters() -> None:
    found = keys(entitlements=saying("The licence is invalid.", errors=("The licence is invalid.",)))
    assert len(set(found)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "You have built more workspaces with managed agents than your license allows.",
        "You have built more workspaces with managed agents than your license allows. More builds will be blocked.",
        "You are approaching the managed agent limit in your license. Please refer to the Licenses page.",
    ],
)
def test_what_our_own_thresholds_say_is_not_said_twice(text: str) -> None:
    assert notices(entitlements=saying(text)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "You have used 91% of your AI Governance add-on seats.",
            "You have used 92% of your AI Governance add-on seats.",
        ),
        ("You have used 99% of your seats.", "You have used 100% of your seats."),
        ("using 9 of 10 seats (0 over)", "using 10 of 1,000 seats (1,234 over)"),
        ("expires in 10 days", "expires in 9 days"),
        ("used 9.5 of 10.25 hours", "used 10 of 11 hours"),
    ],
)
def test_a_warning_whose_numbers_move_is_the_same_warning(before: str, after: str) -> None:
    assert keys(entitlements=saying(before)) == keys(entitlements=saying(after))


def test_other_words_are_another_warning() -> None:
    assert keys(entitlements=saying("One seat.")) != keys(entitlements=saying("Two seats."))


def test_a_very_long_warning_is_cut() -> None:
    [notice] = notices(entitlements=saying("x" * 5000))
    assert len(notice.summary) < 700


@pytest.mark.parametrize(
    ("version", "gone"), [(None, False), ((2, 36, 9), False), ((2, 37, 0), True), ((2, 40, 1), True), ((3, 0, 0), True)]
)
def test_a_version_without_tasks_is_reported(version: tuple[int, int, int] | None, gone: bool) -> None:
    assert keys(version=version) == (["tasks-gone"] if gone else [])


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (LicenceStatus.UNKNOWN, []),
        (LicenceStatus.UNLICENSED, []),
        (LicenceStatus.ENTITLED, []),
        (LicenceStatus.GRACE, [("grace-period", Severity.WARNING)]),
        (LicenceStatus.NOT_ENTITLED, [("not-entitled", Severity.CRITICAL)]),
    ],
)
def test_a_licence_that_expired_or_covers_nothing_is_reported(
    standing: LicenceStatus, expected: list[tuple[str, Severity]]
) -> None:
    found = notices(allowance=Allowance(standing, Limit(0)))
    assert [(notice.key, notice.severity) for notice in found] == expected


def test_growing_drift_is_reported_with_its_causes_and_once_a_period() -> None:
    [notice] = notices(history=drifting(0, -3, -8), version=(2, 29, 1), sees_deleted=False)
    assert notice.key == "drift-2026-01-01"
    assert "the API proves 92 builds, and Coder reports 100" in notice.summary
    assert "grew by 8" in notice.summary
    assert "21696" in notice.meaning
    assert "does not find them" in notice.meaning
    assert keys(history=drifting(0, -3, -20)) == [notice.key]
    assert keys(history=drifting(0, -3, -20), period_start=NOON - timedelta(days=2)) != [notice.key]


@pytest.mark.parametrize("hours", [0, 1, 23.99])
def test_an_api_that_is_away_for_less_than_a_day_is_not_reported(hours: float) -> None:
    assert keys(unreached_since=NOON - timedelta(hours=hours)) == []


def test_an_api_that_is_away_for_a_day_is_reported_with_the_reason() -> None:
    since = NOON - timedelta(hours=24)
    [notice] = notices(unreached_since=since, failure="the token is wrong")
    assert "since 2026-03-01 12:00 UTC: the token is wrong" in notice.summary
    assert keys(unreached_since=since, now=NOON + timedelta(days=3)) == [notice.key]
    assert keys(unreached_since=since - timedelta(hours=1)) != [notice.key]


@pytest.mark.parametrize(
    ("silent_hours", "proved", "broken"),
    [(24, 1, True), (23.99, 5, False), (24, 0, False), (2400, 0, False), (None, 1, True), (None, 0, False)],
)
def test_silence_is_broken_input_only_while_builds_are_proved(
    silent_hours: float | None, proved: int, broken: bool
) -> None:
    since = None if silent_hours is None else NOON - timedelta(hours=silent_hours)
    assert keys(silent_since=since, proved_since_silence=proved) == (["input-broken"] if broken else [])


def test_everything_at_once_is_reported_at_once() -> None:
    found = keys(
        entitlements=saying("w", errors=("e",)),
        allowance=Allowance(LicenceStatus.GRACE, Limit(5)),
        history=drifting(0, 0, 9),
        unreached_since=NOON - timedelta(days=2),
        proved_since_silence=2,
    )
    assert len(set(found)) == 6


def test_without_tasks_nothing_else_is_reported_about_the_count() -> None:
    of_the_count = {
        "allowance": Allowance(LicenceStatus.NOT_ENTITLED, Limit(0)),
        "history": drifting(0, 0, 9),
        "proved_since_silence": 2,
    }
    assert len(keys(**of_the_count)) == 3
    assert keys(version=(2, 37, 0), **of_the_count) == ["tasks-gone"]


@pytest.mark.parametrize(("days", "told"), [(7.01, False), (7, True), (0.5, True), (-3, True)])
def test_a_token_that_ends_although_it_is_used_is_reported_seven_days_before(days: float, told: bool) -> None:
    ends = NOON + timedelta(days=days)
    assert keys(token_ends_at=ends) == ([f"token-ends-{ends:%Y-%m-%d}"] if told else [])
    assert keys(token_ends_at=None) == []


def test_the_notice_of_a_token_stays_the_same_until_there_is_another_token() -> None:
    ends = NOON + timedelta(days=6)
    [notice] = notices(token_ends_at=ends)
    assert "expires on 2026-03-08 12:00 UTC" in notice.summary
    assert keys(token_ends_at=ends, now=NOON + timedelta(days=2)) == [notice.key]
    assert keys(token_ends_at=ends + timedelta(days=1), now=NOON + timedelta(days=2)) != [notice.key]
