"""Usage periods: whole UTC days, half-open inside this program.

Coder counts whole UTC days with both ends inclusive (enterprise/coderd/license/license.go); `inclusive` is the one
place where its periods become ours.
"""

import re
from calendar import isleap
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from app.core.text.parsed import Parsed

#: Start of the period that Coder gives a Premium licence without a claim of its own: in effect, a lifetime counter.
LIFETIME_START: Final = date(2025, 7, 1)


class PeriodKind(StrEnum):
    LIFETIME = "lifetime"
    YEARLY = "yearly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Period:
    """Whole UTC days from `start` up to, not including, `end`; no end means forever."""

    start: date
    end: date | None

    @classmethod
    def inclusive(cls, first: datetime, last: datetime) -> "Period":
        """Build a period from Coder's edges: the UTC days of both moments belong to it."""
        return cls(first.astimezone(UTC).date(), last.astimezone(UTC).date() + timedelta(days=1))

    @property
    def starts_at(self) -> datetime:
        return datetime.combine(self.start, time(), UTC)

    @property
    def ends_at(self) -> datetime | None:
        return None if self.end is None else datetime.combine(self.end, time(), UTC)

    @property
    def last(self) -> date | None:
        """The last day that belongs to the period; None where it never ends."""
        return None if self.end is None else self.end - timedelta(days=1)

    def contains(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day < self.end)

    def days_left(self, today: date) -> int | None:
        """Days until the period ends, today included; None when it never ends."""
        return None if self.end is None else max((self.end - today).days, 0)


@dataclass(frozen=True, slots=True)
class PeriodRule(Parsed):
    """How periods follow each other: never, from anniversary to anniversary, or from month to month.

    Attributes:
        month: month of the anniversary, for yearly periods.
        day: day of the month on which a period starts; later than the month has, its last day is taken.
    """

    kind: PeriodKind
    month: int = 1
    day: int = 1

    @classmethod
    def parse(cls, text: str) -> "PeriodRule":
        """Read `lifetime`, `yearly`, `yearly:MM-DD`, `monthly` or `monthly:DD`.

        Raises:
            ValueError: with what is allowed.
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
        """Return the period that holds a UTC day."""
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
    """Return the day, or the month's last one where it has fewer: 29 February becomes the 28th."""
    lengths = (31, 29 if isleap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return date(year, month, min(day, lengths[month - 1]))


def _month_after(year: int, month: int, step: int) -> tuple[int, int]:
    return (year + (month - 1 + step) // 12, (month - 1 + step) % 12 + 1)
