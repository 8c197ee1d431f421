"""Usage periods: whole UTC days, represented as half-open intervals.

Coder counts whole UTC days including both ends (enterprise/coderd/license/license.go); `inclusive` is the only place
where its periods are converted.
"""

import re
from calendar import isleap
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from app.core.text.parsed import Parsed

#: Start of the period that a Premium licence without a claim for the feature has; it never resets.
LIFETIME_START: Final = date(2025, 7, 1)


class PeriodKind(StrEnum):
    LIFETIME = "lifetime"
    YEARLY = "yearly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Period:
    """Whole UTC days from `start` up to but not including `end`; without an end it is endless."""

    start: date
    end: date | None

    @classmethod
    def inclusive(cls, first: datetime, last: datetime) -> "Period":
        """Build a period from Coder's two moments, whose UTC days both belong to it."""
        return cls(first.astimezone(UTC).date(), last.astimezone(UTC).date() + timedelta(days=1))

    @property
    def starts_at(self) -> datetime:
        return datetime.combine(self.start, time(), UTC)

    @property
    def ends_at(self) -> datetime | None:
        return None if self.end is None else datetime.combine(self.end, time(), UTC)

    @property
    def last(self) -> date | None:
        """The last day of the period; None if it is endless."""
        return None if self.end is None else self.end - timedelta(days=1)

    def contains(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day < self.end)

    def days_left(self, today: date) -> int | None:
        """Return the days until the period ends, including today; None if it is endless."""
        return None if self.end is None else max((self.end - today).days, 0)


@dataclass(frozen=True, slots=True)
class PeriodRule(Parsed):
    """How periods repeat: never, yearly or monthly.

    Attributes:
        month: month of the anniversary, for yearly periods.
        day: day of the month on which a period starts; in a shorter month, its last day.
    """

    kind: PeriodKind
    month: int = 1
    day: int = 1

    @classmethod
    def parse(cls, text: str) -> "PeriodRule":
        """Parse `lifetime`, `yearly`, `yearly:MM-DD`, `monthly` or `monthly:DD`.

        Raises:
            ValueError: with the allowed forms.
        """
        allowed = "use lifetime, yearly, yearly:MM-DD, monthly or monthly:DD"
        kind, _, anchor = text.strip().lower().partition(":")
        if kind == PeriodKind.LIFETIME and not anchor:
            return cls(PeriodKind.LIFETIME)
        if kind == PeriodKind.MONTHLY and re.fullmatch(r"|0?[1-9]|[12]\d|3[01]", anchor):
            return cls(PeriodKind.MONTHLY, day=int(anchor or 1))
        found = re.fullmatch(r"(\d\d)-(\d\d)", anchor or "01-01")
        if kind != PeriodKind.YEARLY or not found:
            raise ValueError(allowed)
        month, day = int(found[1]), int(found[2])
        try:
            date(2024, month, day)  # a leap year, so that 29 February is allowed
        except ValueError:
            raise ValueError(f"{anchor} is not a day of the year; {allowed}") from None
        return cls(PeriodKind.YEARLY, month, day)

    def __str__(self) -> str:
        if self.kind == PeriodKind.YEARLY:
            return f"{self.kind.value}:{self.month:02}-{self.day:02}"
        return f"{self.kind.value}:{self.day}" if self.kind == PeriodKind.MONTHLY else self.kind.value

    def at(self, day: date) -> Period:
        """Return the period that contains a UTC day."""
        if self.kind == PeriodKind.LIFETIME:
            return Period(LIFETIME_START, None)
        if self.kind == PeriodKind.YEARLY:
            start = self._anniversary(day.year)
            if day < start:
                start = self._anniversary(day.year - 1)
            return Period(start, self._anniversary(start.year + 1))
        start = _clamped(day.year, day.month, self.day)
        if day < start:
            start = _clamped(*_month_after(day.year, day.month, -1), self.day)
        return Period(start, _clamped(*_month_after(start.year, start.month, 1), self.day))

    def _anniversary(self, year: int) -> date:
        return _clamped(year, self.month, self.day)


def _clamped(year: int, month: int, day: int) -> date:
    """Return the day, or the last day of a shorter month: 29 February becomes the 28th."""
    lengths = (31, 29 if isleap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return date(year, month, min(day, lengths[month - 1]))


def _month_after(year: int, month: int, step: int) -> tuple[int, int]:
    return (year + (month - 1 + step) // 12, (month - 1 + step) % 12 + 1)
