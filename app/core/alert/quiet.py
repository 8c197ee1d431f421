"""Quiet hours: times of the week during which messages are held. Alerts are still evaluated.

When clocks go back, a span starts at the first occurrence of its begin and lasts until the last occurrence of its end,
so that a night is one quiet time. When they go forward, a skipped time is the moment of the change.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from app.core.alert.localtime import first_moment, last_moment
from app.core.text.parsed import Parsed

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHOLE_DAY: Final = 24 * 60
_FORM: Final = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?)?\s*"
    r"(?:(?P<from>\d\d?:\d\d)\s*-\s*(?P<to>\d\d?:\d\d))?"
)
# A longer quiet time would mean that the receiver never gets a message.
_LONGEST: Final = 8


@dataclass(frozen=True, slots=True)
class QuietSpan(Parsed):
    """A span on some weekdays, in minutes of the local day; if `end` is before `begin`, it ends on the next day."""

    weekdays: frozenset[int]
    begin: int
    end: int

    @classmethod
    def parse(cls, text: str) -> "QuietSpan":
        """Parse `22:00-07:00`, `sat-sun`, `sun`, or `mon-fri 18:30-08:00`.

        Raises:
            ValueError: with the allowed forms.
        """
        hint = f"“{text}” is no quiet time: use 22:00-07:00, sat-sun, or mon-fri 18:30-08:00"
        found = _FORM.fullmatch(text.strip().lower())
        if not text.strip() or not found:
            raise ValueError(hint)
        first, last = found["first"], found["last"] or found["first"]
        if first and (first not in _DAYS or last not in _DAYS):
            raise ValueError(hint)
        days = frozenset(_from_to(_DAYS.index(first), _DAYS.index(last)) if first else range(7))
        begin, end = (_minutes(found["from"], hint), _minutes(found["to"], hint)) if found["from"] else (0, _WHOLE_DAY)
        if begin == end:
            raise ValueError(f"{hint}; begin and end are the same")
        return cls(days, begin, end)

    def __str__(self) -> str:
        days = sorted(self.weekdays)
        # Days that continue across the end of the week start after the gap.
        first = next((day for day in days if (day - 1) % 7 not in self.weekdays), 0)
        last = (first + len(days) - 1) % 7
        named = "" if len(days) == len(_DAYS) else _DAYS[first] if first == last else f"{_DAYS[first]}-{_DAYS[last]}"
        if (self.begin, self.end) == (0, _WHOLE_DAY):
            return named or f"{_DAYS[0]}-{_DAYS[-1]}"
        return f"{named} {_clock(self.begin)}-{_clock(self.end)}".strip()

    def ending(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """Return when (UTC) the span that contains this moment ends; None if it contains none."""
        today = moment.astimezone(zone).date()
        # If clocks go back across midnight, tomorrow may already have begun once.
        for days in (-1, 0, 1):
            day = today + timedelta(days=days)
            if day.weekday() not in self.weekdays:
                continue
            begin = first_moment(_wall(day, self.begin), zone)
            end = last_moment(_wall(day, self.end if self.end > self.begin else self.end + _WHOLE_DAY), zone)
            if begin <= moment < end:
                return end
        return None


def quiet_until(spans: Sequence[QuietSpan], zone: tzinfo, now: datetime) -> datetime | None:
    """Return when (UTC) the current quiet time is over; None if it is not quiet now.

    Adjoining spans count as one. Endless quiet counts as none, because messages must not be held forever.
    """
    moment = start = now.astimezone(UTC)
    for _ in range(_LONGEST * max(len(spans), 1)):
        ends = [end for span in spans if (end := span.ending(moment, zone)) is not None]
        if not ends:
            return None if moment == start else moment
        moment = max(ends)
    return None


def _from_to(first: int, last: int) -> list[int]:
    return [(first + step) % 7 for step in range((last - first) % 7 + 1)]


def _minutes(text: str, hint: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if not (0 <= minutes < 60 and 0 <= hours * 60 + minutes <= _WHOLE_DAY):  # noqa: PLR2004 - minutes of an hour
        raise ValueError(hint)
    return hours * 60 + minutes


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _wall(day: date, minutes: int) -> datetime:
    # Clock arithmetic: 07:00 is 07:00 also on days when clocks change.
    return datetime.combine(day, time()) + timedelta(minutes=minutes)
