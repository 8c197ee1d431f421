from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.alert.quiet import QuietSpan, quiet_until

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = ("22:00-07:00",)


def until(texts: tuple[str, ...], moment: str, zone: ZoneInfo = BERLIN) -> str:
    now = datetime.fromisoformat(moment).replace(tzinfo=zone)
    end = quiet_until([QuietSpan.parse(text) for text in texts], zone, now)
    return end.astimezone(zone).strftime("%a %d %H:%M") if end else ""


@pytest.mark.parametrize(
    ("texts", "moment", "expected"),
    [
        ((), "2026-11-22T03:00", ""),
        # 22 November 2026 is a Sunday.
        (NIGHT, "2026-11-22T21:59", ""),
        (NIGHT, "2026-11-22T22:00", "Mon 23 07:00"),
        (NIGHT, "2026-11-23T06:59", "Mon 23 07:00"),
        (NIGHT, "2026-11-23T07:00", ""),
        (("12:00-13:30",), "2026-11-22T13:29", "Sun 22 13:30"),
        (("sun",), "2026-11-22T00:00", "Mon 23 00:00"),
        (("sun",), "2026-11-23T00:00", ""),
        (("sat-sun",), "2026-11-21T10:00", "Mon 23 00:00"),
        # Spans that follow each other are one quiet.
        (("sat-sun", "22:00-07:00"), "2026-11-20T23:00", "Mon 23 07:00"),
        (("mon-fri 18:00-08:00", "sat-sun"), "2026-11-20T19:00", "Mon 23 00:00"),
        # The weekday is that of the beginning.
        (("fri 22:00-06:00",), "2026-11-21T05:00", "Sat 21 06:00"),
        (("sat 22:00-06:00",), "2026-11-21T05:00", ""),
        (("fri-mon 00:00-24:00",), "2026-11-22T05:00", "Tue 24 00:00"),
        # Never for ever.
        (("mon-sun",), "2026-11-22T05:00", ""),
        (("00:00-12:00", "12:00-24:00"), "2026-11-22T05:00", ""),
    ],
)
def test_quiet_lasts_until_its_spans_end(texts: tuple[str, ...], moment: str, expected: str) -> None:
    assert until(texts, moment) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-29T00:30", "2026-03-29T05:00:00+00:00"),  # 07:00 in summer time
        ("2026-10-25T00:30", "2026-10-25T06:00:00+00:00"),  # 07:00 in winter time
    ],
)
def test_seven_is_seven_on_the_days_when_clocks_change(moment: str, expected: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=BERLIN)
    end = quiet_until([QuietSpan.parse(NIGHT[0])], BERLIN, now)
    assert end is not None
    assert end.astimezone(UTC).isoformat() == expected


@pytest.mark.parametrize(
    ("zone", "text", "now", "expected"),
    [
        # 25 October 2026: from 03:00 summer time (01:00 UTC) clocks go back to 02:00.
        ("Europe/Berlin", "22:00-02:30", "2026-10-25T00:10", "2026-10-25T01:30"),  # the first 02:10
        ("Europe/Berlin", "22:00-02:30", "2026-10-25T00:45", "2026-10-25T01:30"),  # the first 02:45
        ("Europe/Berlin", "22:00-02:30", "2026-10-25T01:10", "2026-10-25T01:30"),  # the second 02:10
        ("Europe/Berlin", "22:00-02:30", "2026-10-25T01:30", ""),
        ("Europe/Berlin", "02:30-03:30", "2026-10-25T00:20", ""),
        ("Europe/Berlin", "02:30-03:30", "2026-10-25T00:30", "2026-10-25T02:30"),
        # 29 March 2026: from 02:00 (01:00 UTC) clocks go on to 03:00.
        ("Europe/Berlin", "22:00-02:30", "2026-03-29T00:50", "2026-03-29T01:00"),
        ("Europe/Berlin", "22:00-02:30", "2026-03-29T01:00", ""),
        ("Europe/Berlin", "02:30-07:00", "2026-03-29T00:59", ""),
        ("Europe/Berlin", "02:30-07:00", "2026-03-29T01:10", "2026-03-29T05:00"),
        ("Europe/Berlin", "02:10-02:50", "2026-03-29T01:00", ""),
        # 2 November 2025: at 01:00 clocks went back to midnight, so that Sunday began twice.
        ("America/Havana", "sun", "2025-11-02T04:30", "2025-11-03T05:00"),
        ("America/Havana", "sat", "2025-11-02T03:30", "2025-11-02T05:00"),
        # 1 November 2009: at 00:01 clocks go back to 23:01: Sunday begins, ends, and begins again.
        ("America/St_Johns", "sun", "2009-11-01T02:30", "2009-11-02T03:30"),
        ("America/St_Johns", "sun", "2009-11-01T02:32", "2009-11-02T03:30"),
        # 30 December 2011 never came.
        ("Pacific/Apia", "22:00-07:00", "2011-12-30T09:30", "2011-12-30T17:00"),
        ("Pacific/Apia", "thu", "2011-12-30T09:30", "2011-12-30T10:00"),
        ("Pacific/Apia", "fri", "2011-12-30T09:59", ""),
        # Half an hour, and a quarter.
        ("Australia/Lord_Howe", "22:00-01:45", "2026-04-04T14:50", "2026-04-04T15:15"),
    ],
)
def test_where_clocks_change_quiet_ends_once_and_never_in_the_past(
    zone: str, text: str, now: str, expected: str
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    for asked in (moment, moment.astimezone(ZoneInfo(zone))):
        end = quiet_until([QuietSpan.parse(text)], ZoneInfo(zone), asked)
        assert (end.strftime("%Y-%m-%dT%H:%M") if end else "") == expected


@pytest.mark.parametrize(
    "text", ["", " ", "night", "22-07", "25:00-07:00", "22:60-07:00", "07:00-07:00", "mon-", "mo", "fun", "24:01-01:00"]
)
def test_a_text_that_is_no_quiet_time_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no quiet time: use 22:00-07:00, sat-sun, or mon-fri 18:30-08:00"):
        QuietSpan.parse(text)


TEXTS = [
    "22:00-07:00",
    "sat-sun",
    "mon-fri 18:30-08:00",
    "12:00-13:00",
    "fri 20:00-04:00",
    "01:30-02:30",
    "02:15-02:45",
]
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Antarctica/Troll",
]


def changes(zone: ZoneInfo) -> list[datetime]:
    """Return the hours in which clocks of the zone changed in twenty years."""
    found, last = [], None
    for hour in range(20 * 366 * 24):
        at = datetime(2007, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        offset = at.astimezone(zone).utcoffset()
        found += [at] if last not in (None, offset) else []
        last = offset
    return found or [datetime(2026, 1, 1, tzinfo=UTC)]


CHANGES = {name: changes(ZoneInfo(name)) for name in ZONES}


def shows(text: str, wall: datetime) -> bool:
    """Tell whether a clock on the wall shows a time of the span."""
    span = QuietSpan.parse(text)
    minute = wall.hour * 60 + wall.minute
    if span.end > span.begin:
        return wall.weekday() in span.weekdays and span.begin <= minute < span.end
    yesterday = (wall.weekday() - 1) % 7
    return (wall.weekday() in span.weekdays and minute >= span.begin) or (
        yesterday in span.weekdays and minute < span.end
    )


@given(st.lists(st.sampled_from(TEXTS)), st.sampled_from(ZONES), st.integers(0, 1000), st.integers(-2000, 2000))
def test_whenever_the_clock_shows_a_quiet_time_it_is_quiet_until_a_later_moment(
    texts: list[str], name: str, which: int, minutes: int
) -> None:
    zone = ZoneInfo(name)
    now = CHANGES[name][which % len(CHANGES[name])] + timedelta(minutes=minutes)
    spans = [QuietSpan.parse(text) for text in texts]
    end = quiet_until(spans, zone, now)
    if any(shows(text, now.astimezone(zone)) for text in texts):
        assert end is not None
    if end is not None:
        assert now < end < now + timedelta(days=8)
        assert not any(shows(text, end.astimezone(zone)) for text in texts)
        assert quiet_until(spans, zone, end) is None
        # All the time until then is quiet, with the same end.
        for share in (0.25, 0.5, 0.99):
            assert quiet_until(spans, zone, now + (end - now) * share) == end
