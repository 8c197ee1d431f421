"""The days that a page shows as bars: their number, the last one, and the dimension of the split, all from the URL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from flask import abort, request

from app.core.limit.period import Period
from app.store.count.snapshot import Snapshot
from app.web.pages.daybars import DayBars, Split, day_bars
from app.web.pages.frame import day_of, to
from app.web.pages.tables import Column, Row, Table

RANGES: Final[Mapping[int, str]] = {14: "2 weeks", 42: "6 weeks", 91: "3 months", 366: "1 year"}
_USUAL: Final = 42
#: The dimensions by which bars can be split; the same as those of the totals.
SPLITS: Final = {"": "Total", "user": "User", "template": "Template", "organization": "Organization"}
#: The number of names with their own colour.
_SERIES: Final = 5


@dataclass(frozen=True, slots=True)
class DayWindow:
    """Some days as a chart and as a table.

    Attributes:
        first, last: the UTC days shown, both included.
        earlier, later: the last day of the adjacent window; None if there is none.
        days: the requested number of days, one of RANGES.
        by: the dimension of the split, one of SPLITS.
    """

    chart: DayBars
    table: Table
    first: date
    last: date
    earlier: date | None
    later: date | None
    days: int
    by: str


def day_window(
    days: Sequence[tuple[date, int]],
    bounds: tuple[date, date],
    today: date,
    used: int,
    split: Snapshot | None = None,
) -> DayWindow:
    """Show the days requested by `days`, `until` and `by` in the URL; 404 for values that our links do not have.

    Args:
        days: UTC days with usage and their units, oldest first.
        bounds: the first and the last day that may be shown.
        today: the current day, which is incomplete.
        used: usage at the end of `bounds`, with which the totals in the table end.
        split: reads the names for splitting; without it days are not split, as on the page of one name.
    """
    length, by = _length(), _split() if split else ""
    begin, end = bounds
    asked = day_of(request.args.get("until", "")) or end
    last = max(min(asked, end), begin)
    first = max(last - timedelta(days=length - 1), begin)
    shown = [(day, units) for day, units in days if first <= day <= last]
    later = sum(units for day, units in days if day > last)
    oldest = days[0][0] if days else begin
    return DayWindow(
        chart=day_bars(shown, first, last, today, _read(split, by, first, last) if split and by else ()),
        table=days_table(shown, used - later),
        first=first,
        last=last,
        earlier=first - timedelta(days=1) if first > oldest else None,
        later=min(last + timedelta(days=length), end) if last < end else None,
        days=length,
        by=by,
    )


_COLUMNS: Final = (
    Column("day", "Day"),
    Column("builds", "Builds", "count"),
    Column("total", "Total", "count"),
)


def days_table(days: Sequence[tuple[date, int]], used: int) -> Table:
    """Return the days with usage, newest first, with totals that end at `used`."""
    total = used - sum(units for _, units in days)
    rows = []
    for day, units in days:
        total += units
        values = {"day": day, "builds": units, "total": max(total, 0)}
        rows.append(Row(values, {"day": to(f"/days/{day.isoformat()}")}))
    return Table("days", _COLUMNS, rows[::-1])


def _length() -> int:
    text = request.args.get("days", str(_USUAL))
    if not text.isdecimal() or int(text[:5]) not in RANGES:
        abort(404, f"Choose one of these numbers of days: {', '.join(map(str, RANGES))}.")
    return int(text)


def _split() -> str:
    by = request.args.get("by", "")
    if by not in SPLITS:
        abort(404, f"Days can be split by {', '.join(name for name in SPLITS if name)}.")
    return by


def _read(snapshot: Snapshot, by: str, first: date, last: date) -> Split:
    listed = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    found = snapshot.names(by, Period(first, last + timedelta(days=1)), last, _SERIES)
    names = [name for name, units in found if units > 0]
    units = snapshot.daily(by, names, listed)
    return [(name, dict(zip(listed, (row[n] for row in units), strict=True))) for n, name in enumerate(names)]
