"""The users, templates and organizations with the most builds in a span."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from flask import request

from app.core.count.meter import Usage
from app.core.limit.period import Period
from app.store.store import Store
from app.web.pages.frame import to
from app.web.pages.tables import Column, Row, Table

_SHOWN: Final = 10
DIMENSIONS: Final = {"user": "Users", "template": "Templates", "organization": "Organizations"}
SPANS: Final = {"period": "This period", "month": "This month", "week": "Last 7 days"}


@dataclass(frozen=True, slots=True)
class NameRow:
    """One name's usage.

    Attributes:
        percent: its share of everything counted in the span.
        length: the length of its bar, in per cent of the first row's.
        href: the page of the name; empty if no delivery named it.
    """

    name: str
    units: int
    percent: float
    length: float
    href: str


@dataclass(frozen=True, slots=True)
class Top:
    """Usage by user, template or organization in a span, complete and highest first."""

    dimension: str
    title: str
    rows: Sequence[NameRow]

    @property
    def shown(self) -> Sequence[NameRow]:
        return self.rows[:_SHOWN]

    @property
    def others(self) -> Sequence[NameRow]:
        """The rows that the overview does not show."""
        return self.rows[_SHOWN:]

    @property
    def others_units(self) -> int:
        return sum(row.units for row in self.others)

    @property
    def path(self) -> str:
        """The path of the page with all of them."""
        return f"/{self.dimension}s"

    def table(self) -> Table:
        columns = (Column("name", self.title[:-1]), Column("builds", "Builds", "count"), Column("percent", "Percent"))
        rows = [
            Row({"name": row.name, "builds": row.units, "percent": row.percent}, {"name": row.href} if row.href else {})
            for row in self.rows
        ]
        return Table(f"{self.dimension}s", columns, rows)


@dataclass(frozen=True, slots=True)
class Tops:
    """The tops of one span.

    Attributes:
        span: one of SPANS.
    """

    span: str
    first: date
    last: date
    listed: Sequence[Top]


def tops(store: Store, usage: Usage, *, present: bool, today: date) -> Tops:
    """Rank users, templates and organizations over the period, its last month, or its last week."""
    asked = request.args.get("tops", "period")
    span = asked if asked in SPANS and present else "period"
    period = _period(usage, span, today)
    first, last = period.start, min(today, period.last or today)
    return Tops(span, first, last, [top(store, usage, dimension, period, today) for dimension in DIMENSIONS])


def top(store: Store, usage: Usage, dimension: str, period: Period, today: date) -> Top:
    """Rank one dimension over a period."""
    snapshot = store.snapshot(usage.meter)
    counted = usage.counted if period == usage.period else snapshot.usage(period, usage.limit, usage.as_of).counted
    found = [(name, units) for name, units in snapshot.names(dimension, period, today) if units > 0]
    most = max((units for _, units in found), default=0)
    start = None if usage.period.contains(today) else usage.period.start.isoformat()
    rows = [
        NameRow(
            name,
            units,
            _share(units, counted),
            _share(units, most),
            to(f"/{dimension}s", name=name, period=start) if name else "",
        )
        for name, units in found
    ]
    return Top(dimension, DIMENSIONS[dimension], rows)


def _period(usage: Usage, span: str, today: date) -> Period:
    if span == "period":
        return usage.period
    start = today.replace(day=1) if span == "month" else today - timedelta(days=6)
    return Period(max(start, usage.period.start), today + timedelta(days=1))


def _share(units: int, whole: int) -> float:
    return round(units / whole * 100, 1) if whole else 0.0
