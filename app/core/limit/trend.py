"""This week against last week."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Trend:
    """Usage of the last seven whole UTC days and of the seven before. Today is in neither."""

    last: int
    before: int

    @property
    def change(self) -> float | None:
        """The change in per cent of the previous week; None if that week had no usage."""
        return (self.last - self.before) / self.before * 100 if self.before else None

    def words(self) -> str:
        """Compare the weeks in words, such as “+23% on the week before”."""
        if self.change is None:
            return "none in the week before" if self.last else "none in either week"
        if not round(self.change):
            return "as in the week before"
        return f"{'+' if self.change > 0 else '−'}{abs(self.change):.0f}% on the week before"


def trend(days: Iterable[tuple[date, int]], today: date) -> Trend:
    """Compare the two weeks before today; days without usage may be missing."""
    units = dict(days)

    def week(newest: int) -> int:
        return sum(units.get(today - timedelta(days=newest + number), 0) for number in range(WEEK))

    return Trend(week(1), week(1 + WEEK))
