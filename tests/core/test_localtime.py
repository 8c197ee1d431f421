from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.core.alert.localtime import first_moment, last_moment


@pytest.mark.parametrize(
    ("zone", "wall", "first", "last"),
    [
        ("UTC", "2026-10-25T02:30", "2026-10-25T02:30", "2026-10-25T02:30"),
        ("Europe/Berlin", "2026-10-25T01:59", "2026-10-24T23:59", "2026-10-24T23:59"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30", "2026-10-25T01:30"),
        ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00", "2026-10-25T02:00"),
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29T02:59", "2026-03-29T01:00", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00", "2026-03-29T01:00"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00", "2011-12-30T10:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30", "2026-10-03T15:30"),
    ],
)
def test_a_time_on_the_wall_comes_once_twice_or_is_skipped(zone: str, wall: str, first: str, last: str) -> None:
    shown, at = datetime.fromisoformat(wall), ZoneInfo(zone)
    assert first_moment(shown, at) == datetime.fromisoformat(first).replace(tzinfo=UTC)
    assert last_moment(shown, at) == datetime.fromisoformat(last).replace(tzinfo=UTC)
