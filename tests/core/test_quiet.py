from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.quiet import QuietSpan, quiet_until

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
    "text", ["", " ", "night", "22-07", "25:00-07:00", "22:60-07:00", "07:00-07:00", "mon-", "mo", "fun", "24:01-01:00"]
)
def test_a_text_that_is_no_quiet_time_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no quiet time: use 22:00-07:00, sat-sun, or mon-fri 18:30-08:00"):
        QuietSpan.parse(text)


@given(
    st.lists(st.sampled_from(["22:00-07:00", "sat-sun", "mon-fri 18:30-08:00", "12:00-13:00", "fri 20:00-04:00"])),
    st.integers(0, 2 * 365 * 24 * 60),
)
def test_when_quiet_ends_it_is_not_quiet(texts: list[str], minutes: int) -> None:
    spans = [QuietSpan.parse(text) for text in texts]
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    end = quiet_until(spans, BERLIN, now)
    if end is not None:
        assert now < end < now + timedelta(days=8)
        assert quiet_until(spans, BERLIN, end) is None
