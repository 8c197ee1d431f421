"""What settings read from text is read once, and written as a text that means the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.load import masked
from app.core.alert.quiet import QuietSpan
from app.core.alert.routing import LevelGlob
from app.core.limit.period import PeriodRule
from app.core.limit.threshold import Threshold
from app.core.text.mailbox import Mailbox
from app.core.text.parsed import Parsed
from tests.conftest import make_config

DAYS = st.sampled_from(["", "mon", "sun", "mon-fri", "sat-sun", "fri-mon", "sun-sat", "wed-tue"])
HOURS = st.tuples(st.integers(0, 1440), st.integers(0, 1440)).filter(lambda pair: pair[0] != pair[1])


@given(DAYS, st.none() | HOURS)
def test_quiet_spans_are_written_as_they_are_read(days: str, hours: tuple[int, int] | None) -> None:
    clock = "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in hours or ())
    text = f"{days} {clock}".strip()
    if text:
        span = QuietSpan.parse(text)
        assert QuietSpan.parse(str(span)) == span


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (PeriodRule, ["lifetime", "yearly", "yearly:02-29", "monthly", "monthly:31"]),
        (Threshold, ["75%", "+10%", "900 builds"]),
        (LevelGlob, ["90%", "soft limit", ">=100%", ">= 90", "900 builds"]),
        (Mailbox, ["ops@example.com", "Ops <ops@exämple.com>"]),
    ],
)
def test_other_texts_are_written_as_they_are_read(kind: type[Parsed], texts: list[str]) -> None:
    for text in texts:
        value = kind.parse(text)
        assert kind.parse(str(value)) == value


SETTINGS: dict[str, Any] = {
    "quiet_hours": "22:00-07:00, sat-sun",
    "period": "yearly:03-01",
    "thresholds": "75,+10%",
    "routes": '[{"levels": [">=100%"], "quiet_hours": ["sun"], "receivers": "email:Ops@EXAMPLE.com"}]',
    "smtp_url": "smtp://h",
    "email_from": "Meter <awb@example.com>",
    "email_to": "Ops <ops@example.com>, boss@example.com",
    "api_tokens": f"viewer:{'0' * 64}",
    "proxy_addresses": "10.0.0.0/8, ::1",
    "fallback": "email:Boss@example.com",
    "repeat_days_by_level": '{"90": 7}',
}


def test_settings_hold_what_was_read_and_show_its_text() -> None:
    settings = make_config(**SETTINGS).settings
    assert isinstance(settings.quiet_hours[0], QuietSpan)
    assert isinstance(settings.period, PeriodRule)
    assert settings.routes[0].quiet_hours == (QuietSpan.parse("sun"),)
    shown = masked(settings)
    route = {name: shown["routes"][0][name] for name in ("levels", "quiet_hours", "receivers")}
    assert route == {"levels": [">=100%"], "quiet_hours": ["sun"], "receivers": ["email:ops@example.com"]}
    assert {name: shown[name] for name in SETTINGS if name not in ("routes", "smtp_url")} == {
        "quiet_hours": ["22:00-07:00", "sat-sun"],
        "period": "yearly:03-01",
        "thresholds": ["75%", "+10%"],
        "email_from": "Meter <awb@example.com>",
        "email_to": ["Ops <ops@example.com>", "boss@example.com"],
        "api_tokens": [f"viewer:{'0' * 64}"],
        "proxy_addresses": ["10.0.0.0/8", "::1/128"],
        "fallback": ["email:boss@example.com"],
        "repeat_days_by_level": {"90%": 7},
    }


@pytest.mark.parametrize("value", [True, 1.5, None, ["22:00-07:00"], {}])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="takes a text"):
        QuietSpan._read(value)
