from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.limit.forecast import HORIZON, Forecast, forecast
from app.core.limit.limits import Limit
from app.core.limit.period import LIFETIME_START, Period, PeriodRule

YEAR = Period(date(2026, 1, 1), date(2027, 1, 1))
LIFETIME = Period(LIFETIME_START, None)


def at(text: str, hour: int = 12) -> datetime:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC) + timedelta(hours=hour)


def every_day(first: str, last: str, builds: int = 10, weekend: int | None = None) -> list[tuple[date, int]]:
    """Return each day from the first to the last."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    counts = [(day, builds if weekend is None or day.weekday() < 5 else weekend) for day in days]
    return [(day, count) for day, count in counts if count]


def look(days: list[tuple[date, int]], limit: int | None, now: str, period: Period = YEAR, hour: int = 12) -> Forecast:
    return forecast(days, sum(builds for _, builds in days), Limit(limit), period, at(now, hour))


@pytest.fixture
def steady() -> list[tuple[date, int]]:
    return every_day("2026-01-01", "2026-04-10")


def test_a_steady_pace_reaches_the_limit_where_division_says_so(steady: list[tuple[date, int]]) -> None:
    found = look(steady, 2000, "2026-04-11", hour=0)
    assert found.breach is not None
    assert abs((found.breach - date(2026, 7, 19)).days) <= 1
    assert (found.pace_period, found.pace_28, found.pace_7) == (10, 10, 10)
    assert found.pace == pytest.approx(10, rel=0.01)
    assert found.projected == pytest.approx(3650, rel=0.01)
    assert (found.confident, found.in_period(), found.reached) == (True, True, False)
    assert found.elapsed_percent == pytest.approx(100 / 365 * 100)
    assert found.used_percent == 50.0


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (2000, ("At this pace you will reach the limit on 20 Jul 2026 (likely 6 Jul – 11 Aug) and use about 3,638 by "
               "31 Dec.")),
        (3500, ("At this pace you will reach the limit on 18 Dec 2026 (2 Nov at the earliest) and use about 3,638 by "
               "31 Dec. Whether the limit is reached in time is still too uncertain for a warning.")),
        (3700, ("At this pace you will use about 3,638 by 31 Dec 2026 (likely 3,018 – 4,298); the limit will probably "
               "not be reached, 17 Nov 2026 at the earliest.")),
        (9000, ("At this pace you will use about 3,638 by 31 Dec 2026 (likely 3,018 – 4,298); the limit will not be "
               "reached in this period.")),
        (500, ("The limit is reached. At this pace, 10.0 a day, you will use about 3,638 by 31 Dec 2026 "
              "(likely 3,018 – 4,298).")),
        (None, "At this pace, 10.0 a day, you will use about 3,638 by 31 Dec 2026 (likely 3,018 – 4,298)."),
        (0, ("The limit is reached. At this pace, 10.0 a day, you will use about 3,638 by 31 Dec 2026 "
            "(likely 3,018 – 4,298).")),
    ],
)  # fmt: skip
def test_the_words_for_a_period_with_an_end(limit: int | None, words: str, steady: list[tuple[date, int]]) -> None:
    assert look(steady, limit, "2026-04-11").words() == words


@pytest.mark.parametrize(
    ("limit", "words", "near"),
    [
        (400, "At this pace you will reach the limit on 10 Jan 2027 (likely 7 Jan – 15 Jan).", True),
        (900, "At this pace you will reach the limit on 2 Mar 2027 (likely 16 Feb – 28 Mar).", False),
        (400_000, "At this pace, 9.9 a day, the limit is out of sight.", False),
        (None, "The pace is 9.9 a day.", False),
    ],
)
def test_without_an_end_a_breach_within_thirty_days_is_near(limit: int | None, words: str, near: bool) -> None:
    found = look(every_day("2026-12-01", "2026-12-25"), limit, "2026-12-26", LIFETIME)
    assert found.words() == words
    assert found.in_period() is near
    assert found.until == date(2026, 12, 26) + timedelta(days=HORIZON)
    assert (found.projected, found.low, found.high, found.elapsed_percent) == (None, None, None, None)


@pytest.mark.parametrize(
    ("days", "now", "why"),
    [
        ([], "2026-03-01", "A forecast needs 7 whole days of counting; there are no days so far."),
        ([(date(2026, 3, 1), 3)], "2026-03-01", "A forecast needs 7 whole days of counting; there are no days so far."),
        ([(date(2026, 3, 1), 900)], "2026-03-02", "A forecast needs 7 whole days of counting; there is 1 day so far."),
        (
            every_day("2026-03-01", "2026-03-06"),
            "2026-03-07",
            "A forecast needs 7 whole days of counting; there are 6 days so far.",
        ),
        (
            [(date(2026, 3, 1), 9), (date(2026, 3, 9), 5)],
            "2026-03-09",
            "A forecast needs 10 builds in the last 28 days; there are 9 builds.",
        ),
        (
            every_day("2026-01-01", "2026-02-01"),
            "2026-04-01",
            "A forecast needs 10 builds in the last 28 days; there are no builds.",
        ),
    ],
)
def test_nobody_is_warned_on_little_evidence(days: list[tuple[date, int]], now: str, why: str) -> None:
    found = look(days, 1001, now)
    assert (found.confident, found.why) == (False, why)
    assert found.words().endswith(f"No forecast yet. {why}")


def test_zero_and_reached_limits_have_no_breach_to_come(steady: list[tuple[date, int]]) -> None:
    for limit in (0, 1, sum(builds for _, builds in steady)):
        found = look(steady, limit, "2026-04-11")
        assert (found.reached, found.breach, found.breach_earliest, found.breach_latest) == (True, None, None, None)
    assert look([], 0, "2026-04-11").reached


# How days are read


def test_counting_begins_with_the_first_day_with_usage_not_with_the_period() -> None:
    late = look(every_day("2026-06-01", "2026-06-30"), 3000, "2026-07-01", LIFETIME)
    assert (late.pace_period, late.pace_28) == (10, 10)


def test_the_present_day_is_no_part_of_a_pace_and_only_its_rest_is_to_come(steady: list[tuple[date, int]]) -> None:
    few, many = ([*steady, (date(2026, 4, 11), builds)] for builds in (1, 90))
    a, b = look(few, 2000, "2026-04-11"), look(many, 2000, "2026-04-11")
    assert (a.pace, a.pace_7, a.pace_28, a.pace_period) == (b.pace, b.pace_7, b.pace_28, b.pace_period)
    last = look(every_day("2026-12-01", "2026-12-30"), 10_000, "2026-12-31", hour=15)
    assert last.projected == 300 + 4


def test_a_quiet_weekend_is_no_fall() -> None:
    """Five builds on each working day: on a Monday the week ahead is as good as on a Friday."""
    days = every_day("2026-01-05", "2026-03-29", 5, weekend=0)
    friday = look([row for row in days if row[0] < date(2026, 3, 27)], 10_000, "2026-03-27", hour=0)
    monday = look(days, 10_000, "2026-03-30", hour=0)
    assert monday.projected == pytest.approx(friday.projected, rel=0.02)
    assert monday.projected == pytest.approx(5 * 261, rel=0.05)
    assert monday.breach is None or monday.breach.weekday() < 5


def test_a_doubled_pace_shows_within_a_week_in_projection_and_range() -> None:
    before = every_day("2026-01-01", "2026-05-31")
    calm = look([*before, *every_day("2026-06-01", "2026-06-07")], 9999, "2026-06-08")
    changed = look([*before, *every_day("2026-06-01", "2026-06-07", 20)], 9999, "2026-06-08")
    assert changed.pace > 1.2 * calm.pace
    assert changed.high is not None
    assert changed.low is not None
    assert calm.high is not None
    assert calm.low is not None
    assert changed.high - changed.low > 1.5 * (calm.high - calm.low)
    # The whole new pace lies in the range.
    assert changed.low < 1580 + 70 + 20 * 207 - 10 < changed.high


def test_days_before_the_period_tell_the_pace_and_nothing_else() -> None:
    period = PeriodRule.parse("monthly").at(date(2026, 6, 3))
    days = [*every_day("2026-04-01", "2026-05-31", 8), *every_day("2026-06-01", "2026-06-02")]
    found = forecast(days, 20, Limit(200), period, at("2026-06-03", 0))
    assert (found.confident, found.in_period(), found.pace_period) == (True, True, 10)
    assert found.projected == pytest.approx(20 + 28 * 8, rel=0.05)


@pytest.mark.parametrize(
    ("rule", "now", "days_left"),
    [("monthly", "2028-02-20", 9), ("monthly", "2027-02-20", 8), ("yearly:02-29", "2028-02-20", 8)],
)
def test_periods_that_end_in_february(rule: str, now: str, days_left: int) -> None:
    today = date.fromisoformat(now)
    days = [(today - timedelta(days=n), 10) for n in range(1, 120)]
    found = forecast(days, 190, Limit(1000), PeriodRule.parse(rule).at(today), at(now, 0))
    assert found.projected == pytest.approx(190 + 10 * (days_left + 1), abs=2)


# What holds for any input

dates = st.dates(date(2025, 1, 1), date(2028, 12, 31))
some_days = st.lists(st.tuples(dates, st.integers(0, 500)), max_size=60)
used = st.integers(0, 100_000)
limits = st.none() | st.integers(0, 100_000)
periods = st.one_of(
    st.just(LIFETIME),
    st.builds(lambda day, text: PeriodRule.parse(text).at(day), dates, st.sampled_from(["monthly:31", "yearly:02-29"])),
)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(some_days, used, limits, periods, moments)
def test_edges_hold_what_they_enclose(
    days: list[tuple[date, int]], used: int, limit: int | None, period: Period, now: datetime
) -> None:
    found = forecast(days, used, Limit(limit), period, now)
    if found.projected is not None:
        assert found.low is not None
        assert found.high is not None
        assert used <= found.low <= found.projected <= found.high
    order = [day or date.max for day in (found.breach_earliest, found.breach, found.breach_latest)]
    assert order == sorted(order)
    assert found.breach_earliest is None or found.breach_earliest >= now.date()
    if found.projected is not None and limit is not None and period.contains(now.date()) and not found.reached:
        assert found.in_period() is (found.projected >= limit)
    assert found.words().endswith(".")


@given(some_days, used, st.integers(0, 100_000), st.integers(0, 100_000), periods, moments)
def test_a_higher_limit_is_never_reached_sooner(
    days: list[tuple[date, int]], used: int, lower: int, more: int, period: Period, now: datetime
) -> None:
    near, far = (forecast(days, used, Limit(limit), period, now) for limit in (lower, lower + more))
    if near.reached:
        return
    for name in ("breach", "breach_earliest", "breach_latest"):
        assert (getattr(near, name) or date.max) <= (getattr(far, name) or date.max)


@given(some_days, used, limits, periods, moments, st.randoms())
def test_the_order_of_days_does_not_matter(
    days: list[tuple[date, int]], used: int, limit: int | None, period: Period, now: datetime, random: Random
) -> None:
    mixed = random.sample(days, len(days))
    assert forecast(mixed, used, Limit(limit), period, now) == forecast(days, used, Limit(limit), period, now)


@given(
    st.lists(st.tuples(st.dates(), st.integers(-9, 10**12)), max_size=5),
    st.integers(-9, 10**15),
    st.none() | st.integers(0, 10**15),
    st.builds(Period, st.dates(), st.none() | st.dates()),
    st.datetimes(timezones=st.just(UTC)),
)
def test_no_input_is_too_odd(
    days: list[tuple[date, int]], used: int, limit: int | None, period: Period, now: datetime
) -> None:
    assert forecast(days, used, Limit(limit), period, now).words()


@pytest.mark.parametrize(
    ("limit", "exceeds"), [(500, True), (2000, True), (3500, False), (3700, False), (9000, False), (None, False)]
)
def test_thresholds_that_wait_warn_if_the_limit_is_reached_or_surely_will_be(
    steady: list[tuple[date, int]], limit: int | None, exceeds: bool
) -> None:
    assert look(steady, limit, "2026-04-11", hour=0).exceeds() is exceeds


def test_with_too_little_data_thresholds_that_wait_warn() -> None:
    assert look(every_day("2026-01-01", "2026-01-03"), 100_000, "2026-01-04").exceeds()


@pytest.mark.parametrize(("limit", "exceeds"), [(1200, True), (2000, False)])
def test_without_an_end_the_horizon_stands_for_it(steady: list[tuple[date, int]], limit: int, exceeds: bool) -> None:
    assert look(steady, limit, "2026-04-11", LIFETIME).exceeds() is exceeds
