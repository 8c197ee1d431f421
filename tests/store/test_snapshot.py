"""The read model: whatever the period, its sums are those of the records in it."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.count.meter import AWB, RecordState, UsageRecord
from app.core.limit.limits import Limit
from app.core.limit.period import Period, PeriodRule
from app.store.count.snapshot import Snapshot
from tests.store.make import DEPLOYMENT, day, ledger, put, record

_RULES = st.one_of(
    st.just("lifetime"),
    st.sampled_from(["yearly", "yearly:02-29", "yearly:12-31", "yearly:03-01", "yearly:07-15"]),
    st.integers(1, 31).map(lambda number: f"monthly:{number:02}"),
)
_DAYS = st.dates(date(2025, 7, 1), date(2028, 3, 5))
_EDGE = st.sampled_from([-86_400.0, -1.0, -0.000001, 0.0, 0.000001, 1.0, 86_399.999999])


@st.composite
def _scenes(draw: st.DrawFn) -> tuple[Period, datetime, list[UsageRecord]]:
    """Draw a period, a moment in it, and records up to a day after that moment, many of them at its edges."""
    now = datetime.combine(draw(_DAYS), draw(st.times()), UTC)
    period = PeriodRule.parse(draw(_RULES)).at(now.date())
    edges = [edge for edge in (period.starts_at, period.ends_at) if edge]
    near = st.builds(lambda edge, seconds: edge.timestamp() + seconds, st.sampled_from(edges), _EDGE)
    anywhere = st.floats(datetime(2025, 5, 1, tzinfo=UTC).timestamp(), now.timestamp() + 86_400)
    latest = max(now.timestamp() + 86_400, (period.ends_at or now).timestamp() if draw(st.booleans()) else 0)
    moments = [at for at in draw(st.lists(near | anywhere, max_size=25)) if at <= latest]
    names, weights = st.sampled_from(["ada", "grace", ""]), st.integers(1, 3)
    states = st.sampled_from(list(RecordState))
    return (
        period,
        now,
        [
            record(
                f"hint:w1:{number}",
                at=at,
                owner=draw(names),
                template=draw(names),
                weight=draw(weights),
                state=draw(states),
            )
            for number, at in enumerate(moments)
        ],
    )


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))


@given(scene=_scenes())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_usage_of_any_period_is_the_sum_of_its_records(connection: "redis.Redis", scene: Any) -> None:
    period, now, records = scene
    connection.flushall()
    put(ledger(connection), "w1", records)
    # What lies beyond tomorrow's month is no usage yet: no clock is that wrong.
    horizon = (now.date() + timedelta(days=1)).replace(day=1) + timedelta(days=32)
    inside = [one for one in records if period.contains(day(one.at)) and day(one.at) < horizon.replace(day=1)]
    users, templates, days = Counter[str](), Counter[str](), Counter[date]()
    for one in inside:
        users[one.owner] += one.weight
        templates[one.template] += one.weight
        days[day(one.at)] += one.weight
    snapshot = Snapshot(connection, DEPLOYMENT, AWB)
    usage = snapshot.usage(period, Limit(1000), now, top=True)
    assert usage.counted == sum(one.weight for one in inside)
    assert usage.provisional == sum(one.weight for one in inside if one.state is RecordState.PROVISIONAL)
    assert list(usage.by_user) == _ranked(users)
    assert list(usage.by_template) == _ranked(templates)
    soon = now.date() + timedelta(days=2)
    by_day = snapshot.breakdown(period, now).by_day
    assert list(by_day) == sorted((when, count) for when, count in days.items() if when < soon)


@pytest.mark.parametrize(
    ("rule", "at", "counted"),
    [
        ("yearly:02-29", "2027-02-27T23:59:59.999999+00:00", False),
        ("yearly:02-29", "2027-02-28T00:00:00+00:00", True),
        ("yearly:02-29", "2028-02-28T23:59:59.999999+00:00", True),
        ("yearly:02-29", "2028-02-29T00:00:00+00:00", False),
        ("monthly:31", "2027-02-28T00:00:00+00:00", False),
        ("lifetime", "2025-06-30T23:59:59.999999+00:00", False),
        ("lifetime", "2025-07-01T00:00:00+00:00", True),
    ],
)
def test_a_record_at_the_edge_of_a_period_belongs_to_one_side(
    connection: "redis.Redis", rule: str, at: str, counted: bool
) -> None:
    moment, now = datetime.fromisoformat(at), datetime(2028, 2, 28, 12, tzinfo=UTC)
    put(ledger(connection), "w1", [record(at=moment.timestamp())])
    usage = Snapshot(connection, DEPLOYMENT, AWB).usage(PeriodRule.parse(rule).at(now.date()), Limit(1), now)
    assert bool(usage.counted) is counted


def test_a_record_from_a_clock_that_is_a_day_ahead_counts(connection: "redis.Redis") -> None:
    now = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    put(ledger(connection), "w1", [record(at=(now + timedelta(days=1)).timestamp())])
    assert Snapshot(connection, DEPLOYMENT, AWB).usage(Period(date(2026, 1, 1), None), Limit(1), now).counted == 1


def test_the_tops_name_at_most_ten(connection: "redis.Redis") -> None:
    now = datetime(2026, 1, 15, tzinfo=UTC)
    records = [record(f"hint:w1:{n}", at=now.timestamp(), owner=f"user-{n:02}", weight=n) for n in range(1, 15)]
    put(ledger(connection), "w1", records)
    usage = Snapshot(connection, DEPLOYMENT, AWB).usage(Period(date(2026, 1, 1), None), Limit(1), now, top=True)
    assert usage.by_user == [(f"user-{n:02}", n) for n in range(14, 4, -1)]
