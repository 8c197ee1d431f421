"""Digests: the weekly and monthly report, once for each week and month that is over."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from app.core.text.lines import day_text

DigestKind = Literal["weekly", "monthly"]
# Reports go out at the beginning of the working day; the time zone is the admin's.
_HOUR: Final = 8


@dataclass(frozen=True, slots=True)
class DigestSpan:
    """The whole days that a digest reports on: from `start` up to, not including, `end`."""

    kind: DigestKind
    start: date
    end: date

    @property
    def id(self) -> str:
        """Identity of the digest, such as `weekly-2026-W47` or `monthly-2026-10`."""
        if self.kind == "weekly":
            year, week, _ = self.start.isocalendar()
            return f"weekly-{year}-W{week:02}"
        return f"monthly-{self.start:%Y-%m}"

    @property
    def title(self) -> str:
        last = self.end - timedelta(days=1)
        if self.kind == "monthly":
            return f"{self.start:%B %Y}"
        return f"{day_text(self.start, last)} to {day_text(last)}"


def due_digest(kind: DigestKind, local: datetime) -> DigestSpan:
    """Return the newest digest that is due: of the last whole week or month, from 08:00 local time after it.

    After downtime this is still the newest one alone: older reports are in the history of the page, not in the chat.
    """
    day = (local - timedelta(hours=_HOUR)).date()
    if kind == "weekly":
        end = day - timedelta(days=day.weekday())
        return DigestSpan(kind, end - timedelta(days=7), end)
    end = day.replace(day=1)
    return DigestSpan(kind, (end - timedelta(days=1)).replace(day=1), end)
