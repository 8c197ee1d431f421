from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.limit.period import LIFETIME_START, Period, PeriodKind, PeriodRule


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("rule", "today", "start", "end"),
    [
        ("yearly", "2026-01-01", "2026-01-01", "2027-01-01"),
        ("yearly", "2026-12-31", "2026-01-01", "2027-01-01"),
        ("yearly:03-15", "2026-03-14", "2025-03-15", "2026-03-15"),
        ("yearly:03-15", "2026-03-15", "2026-03-15", "2027-03-15"),
        ("yearly:12-31", "2026-12-30", "2025-12-31", "2026-12-31"),
        # The anniversary of 29 February is the 28th in years without one.
        ("yearly:02-29", "2024-02-28", "2023-02-28", "2024-02-29"),
        ("yearly:02-29", "2024-02-29", "2024-02-29", "2025-02-28"),
        ("yearly:02-29", "2025-02-27", "2024-02-29", "2025-02-28"),
        ("yearly:02-29", "2025-02-28", "2025-02-28", "2026-02-28"),
        ("yearly:02-29", "2028-02-28", "2027-02-28", "2028-02-29"),
        ("yearly:02-29", "2100-02-28", "2100-02-28", "2101-02-28"),
        ("yearly:02-28", "2024-02-29", "2024-02-28", "2025-02-28"),
        ("monthly", "2026-04-30", "2026-04-01", "2026-05-01"),
        ("monthly", "2026-12-31", "2026-12-01", "2027-01-01"),
        ("monthly:15", "2026-01-14", "2025-12-15", "2026-01-15"),
        ("monthly:15", "2026-01-15", "2026-01-15", "2026-02-15"),
        # A day that the month lacks is its last day.
        ("monthly:31", "2026-02-27", "2026-01-31", "2026-02-28"),
        ("monthly:31", "2026-02-28", "2026-02-28", "2026-03-31"),
        ("monthly:31", "2024-02-29", "2024-02-29", "2024-03-31"),
        ("monthly:31", "2026-04-29", "2026-03-31", "2026-04-30"),
        ("monthly:31", "2026-04-30", "2026-04-30", "2026-05-31"),
        ("monthly:30", "2026-03-01", "2026-02-28", "2026-03-30"),
        ("monthly:29", "2024-03-28", "2024-02-29", "2024-03-29"),
    ],
)
def test_the_period_that_holds_a_day(rule: str, today: str, start: str, end: str) -> None:
    assert PeriodRule.parse(rule).at(day(today)) == Period(day(start), day(end))


def test_a_lifetime_begins_with_coders_default_and_never_ends() -> None:
    period = PeriodRule.parse("lifetime").at(day("2026-03-02"))
    assert period == Period(LIFETIME_START, None)
    assert period.ends_at is None
    assert period.days_left(day("2026-03-02")) is None
    assert period.contains(date.max)
    assert not period.contains(day("2025-06-30"))


@pytest.mark.parametrize(
    ("text", "kind", "month", "day_of_month"),
    [
        ("lifetime", PeriodKind.LIFETIME, 1, 1),
        ("lifetime:", PeriodKind.LIFETIME, 1, 1),
        (" Yearly ", PeriodKind.YEARLY, 1, 1),
        ("yearly:02-29", PeriodKind.YEARLY, 2, 29),
        ("yearly:12-31", PeriodKind.YEARLY, 12, 31),
        ("MONTHLY", PeriodKind.MONTHLY, 1, 1),
        ("monthly:05", PeriodKind.MONTHLY, 1, 5),
        ("monthly:5", PeriodKind.MONTHLY, 1, 5),
        ("monthly:31", PeriodKind.MONTHLY, 1, 31),
    ],
)
def test_a_period_is_read_from_its_text(text: str, kind: PeriodKind, month: int, day_of_month: int) -> None:
    assert PeriodRule.parse(text) == PeriodRule(kind, month, day_of_month)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "weekly",
        "life time",
        "lifetime:01-01",
        "yearly:1-1",
        "yearly:13-01",
        "yearly:02-30",
        "yearly:00-10",
        "yearly:04-31",
        "yearly:2026-01-01",
        "monthly:0",
        "monthly:00",
        "monthly:32",
        "monthly:-1",
        "monthly:1.5",
        "monthly:01-01",
    ],
)
def test_a_text_that_is_no_period_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="use lifetime, yearly, yearly:MM-DD, monthly or monthly:DD"):
        PeriodRule.parse(text)


def test_a_day_that_no_year_has_is_named() -> None:
    with pytest.raises(ValueError, match="02-30 is not a day of the year"):
        PeriodRule.parse("yearly:02-30")


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [
        ("2026-01-01T00:00:00+00:00", "2026-12-31T00:00:00+00:00", "2026-01-01", "2027-01-01"),
        ("2026-01-01T13:37:00+00:00", "2026-12-31T23:59:59+00:00", "2026-01-01", "2027-01-01"),
        ("2025-07-01T00:00:00+00:00", "2125-07-01T00:00:00+00:00", "2025-07-01", "2125-07-02"),
        ("2026-01-01T00:30:00+02:00", "2026-12-31T23:30:00-05:00", "2025-12-31", "2027-01-02"),
        ("2024-02-29T12:00:00+00:00", "2024-02-29T12:00:00+00:00", "2024-02-29", "2024-03-01"),
    ],
)
def test_both_edge_days_of_coders_period_belong_to_it(first: str, last: str, start: str, end: str) -> None:
    period = Period.inclusive(datetime.fromisoformat(first), datetime.fromisoformat(last))
    assert period == Period(day(start), day(end))


def test_a_period_holds_its_first_day_and_not_its_end() -> None:
    period = Period(day("2026-01-01"), day("2026-02-01"))
    assert [period.contains(day(d)) for d in ("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01")] == [
        False,
        True,
        True,
        False,
    ]
    assert period.starts_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert period.ends_at == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("today", "left"), [("2026-01-31", 1), ("2026-01-01", 31), ("2026-02-01", 0), ("2026-03-01", 0)]
)
def test_today_is_one_of_the_days_left(today: str, left: int) -> None:
    assert Period(day("2026-01-01"), day("2026-02-01")).days_left(day(today)) == left


RULES = st.one_of(
    st.builds(lambda d: PeriodRule(PeriodKind.YEARLY, d.month, d.day), st.dates(day("2024-01-01"), day("2024-12-31"))),
    st.builds(lambda d: PeriodRule(PeriodKind.MONTHLY, day=d), st.integers(1, 31)),
)
DAYS = st.dates(day("1990-01-01"), day("2190-12-31"))


@given(RULES, DAYS)
def test_periods_tile_the_calendar_without_gap_or_overlap(rule: PeriodRule, today: date) -> None:
    period = rule.at(today)
    assert period.end is not None
    assert period.contains(today)
    for inside in (period.start, period.end - timedelta(days=1)):
        assert rule.at(inside) == period
    assert rule.at(period.end).start == period.end
    assert rule.at(period.start - timedelta(days=1)).end == period.start


@given(DAYS, st.integers(0, 4000), st.integers(-14, 14))
def test_a_period_from_coder_has_as_many_days_as_both_edges_enclose(first: date, length: int, offset: int) -> None:
    zone = timezone(timedelta(hours=offset))
    edges = [
        datetime(d.year, d.month, d.day, 5, tzinfo=UTC).astimezone(zone)
        for d in (first, first + timedelta(days=length))
    ]
    period = Period.inclusive(*edges)
    assert period.end is not None
    assert (period.end - period.start).days == length + 1
