"""Results: spreads over alternating rounds, targets, the table and the JSON."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

_FORMATS: Final = {
    "x": "{:.2f}x",
    "ms": "{:.1f} ms",
    "s": "{:,.1f} s",
    "B": "{:,.0f} B",
    "MB": "{:,.0f} MB",
    "/s": "{:,.0f}/s",
    "": "{:.2f}",
}


class NotMeasuredError(Exception):
    """A contestant cannot take part; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several rounds, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    @classmethod
    def ratio(cls, ours: Sequence[float], theirs: Sequence[float]) -> "Spread":
        """Compare round by round, because neighbouring rounds run under similar conditions."""
        return cls.of([one / other for one, other in zip(ours, theirs, strict=True)])

    def show(self, unit: str) -> str:
        style = _FORMATS[unit]
        if self.low == self.high:
            return style.format(self.median)
        return f"{style.format(self.median)} ({style.format(self.low)}..{style.format(self.high)})"


@dataclass(frozen=True, slots=True)
class Aim:
    """A target: `>=` or `<=`, or `==` for counts."""

    sign: str
    bound: float

    def met(self, value: float) -> bool:
        if self.sign == ">=":
            return value >= self.bound
        if self.sign == "<=":
            return value <= self.bound
        return value == self.bound

    def show(self, unit: str) -> str:
        return f"{self.sign} {_FORMATS[unit].format(self.bound)}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        spread: the measurements; None if there are none.
        unit: `x` (a ratio), `ms`, `B`, `/s` or nothing.
        note: why it was not measured, or how to read it.
    """

    group: str
    what: str
    spread: Spread | None
    unit: str = ""
    aim: Aim | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        return self.aim.met(self.spread.median) if self.aim and self.spread else None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that the given share of all values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def table(rows: Sequence[Row]) -> Table:
    shown = Table("", "median (lowest..highest round)", "aim", "", "note", box=None, header_style="bold")
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            shown.add_row(f"[bold]{group}[/bold]", end_section=False)
        mark = {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}[row.met]
        value = row.spread.show(row.unit) if row.spread else "-"
        shown.add_row(f"  {row.what}", value, row.aim.show(row.unit) if row.aim else "", mark, escape(row.note))
    return shown
