"""Digests: the weekly and monthly reports, one for each completed week or month."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from app.core.text.lines import day_text

DigestKind = Literal["weekly", "monthly"]
# Reports are sent at the start of the working day in the admin's time zone.
_HOUR: Final = 8


@dataclass(frozen=True, slots=True)
class DigestSpan:
    """The days that a digest covers, from `start` up to but not including `end`."""

    kind: DigestKind
    start: date
    end: date

    @property
    def id(self) -> str:
        """The digest's id, such as `weekly-2026-W47` or `monthly-2026-10`."""
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
    """Return the latest digest that is due: of the last full week or month, from 08:00 local time on the day after it.

    After downtime only the latest is due: older figures are in the page's history.
    """
    day = (local - timedelta(hours=_HOUR)).date()
    if kind == "weekly":
        end = day - timedelta(days=day.weekday())
        return DigestSpan(kind, end - timedelta(days=7), end)
    end = day.replace(day=1)
    return DigestSpan(kind, (end - timedelta(days=1)).replace(day=1), end)
