"""Cleaning and formatting of text."""

import re
from datetime import UTC, date, datetime, tzinfo

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BIDI = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """Return one line without control characters, bidi controls and lone surrogates."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _BIDI.sub("", _CONTROL.sub(" ", whole)).strip()


def day_text(day: date, other: date | None = None) -> str:
    """Format a day, without the year if `other` has the same one."""
    year = "" if other is not None and other.year == day.year else f" {day.year}"
    return f"{day.day} {day:%B}{year}"


def short_day(day: date, other: date | None = None) -> str:
    """Format a day with a short month, such as 30 Dec 2026; the year is left out as in `day_text`."""
    year = "" if other is not None and other.year == day.year else f" {day.year}"
    return f"{day.day} {day:%b}{year}"


def moment_text(moment: datetime, zone: tzinfo = UTC) -> str:
    """Format a moment in local time with the zone's name, such as 2026-11-26 09:30 CET."""
    at = moment.astimezone(zone)
    return f"{at:%Y-%m-%d %H:%M} {at:%Z}"


def size_text(size: float) -> str:
    """Write a size for people."""
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size / 1024:,.0f} kB"
