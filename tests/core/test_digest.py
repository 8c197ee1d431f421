from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.alert.digest import DigestKind, due_digest

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("kind", "local", "identity", "start", "end"),
    [
        # 23 November 2026 is a Monday.
        ("weekly", "2026-11-23T07:59", "weekly-2026-W46", "2026-11-09", "2026-11-16"),
        ("weekly", "2026-11-23T08:00", "weekly-2026-W47", "2026-11-16", "2026-11-23"),
        ("weekly", "2026-11-29T23:59", "weekly-2026-W47", "2026-11-16", "2026-11-23"),
        ("weekly", "2027-01-04T08:00", "weekly-2026-W53", "2026-12-28", "2027-01-04"),
        ("monthly", "2026-12-01T07:59", "monthly-2026-10", "2026-10-01", "2026-11-01"),
        ("monthly", "2026-12-01T08:00", "monthly-2026-11", "2026-11-01", "2026-12-01"),
        ("monthly", "2027-01-31T23:00", "monthly-2026-12", "2026-12-01", "2027-01-01"),
        ("monthly", "2028-03-01T09:00", "monthly-2028-02", "2028-02-01", "2028-03-01"),
    ],
)
def test_the_newest_whole_week_or_month_is_due(
    kind: DigestKind, local: str, identity: str, start: str, end: str
) -> None:
    span = due_digest(kind, datetime.fromisoformat(local).replace(tzinfo=BERLIN))
    assert (span.id, span.start.isoformat(), span.end.isoformat()) == (identity, start, end)


def test_a_digest_is_titled_by_its_days() -> None:
    assert due_digest("weekly", datetime(2026, 11, 25, tzinfo=BERLIN)).title == "16 November to 22 November 2026"
    assert due_digest("weekly", datetime(2026, 1, 6, tzinfo=BERLIN)).title == "29 December 2025 to 4 January 2026"
    assert due_digest("monthly", datetime(2026, 11, 25, tzinfo=BERLIN)).title == "October 2026"


@given(st.sampled_from(["weekly", "monthly"]), st.dates(date(2020, 1, 1), date(2090, 1, 1)))
def test_digests_follow_each_other_without_a_gap(kind: DigestKind, day: date) -> None:
    now = datetime(day.year, day.month, day.day, 12, tzinfo=BERLIN)
    spans = [due_digest(kind, now + timedelta(days=step)) for step in range(40)]
    distinct = list(dict.fromkeys(spans))
    assert all(one.end == other.start for one, other in pairwise(distinct))
    assert all(span.end <= now.date() + timedelta(days=40) for span in spans)
