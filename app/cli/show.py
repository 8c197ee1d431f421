"""How commands print tables, facts and times."""

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import click
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from app import clock
from app.cli.base import out
from app.cli.terminal import Out

#: The colour of each state; the word is always shown as well.
STYLES: Final = {
    "firing": "bold yellow",
    "critical": "bold red",
    "warning": "bold yellow",
    "ok": "green",
    "sent": "green",
    "failed": "bold red",
    "pending": "yellow",
}


def styled(word: str) -> str:
    """Return a state's word as markup."""
    style = STYLES.get(word)
    return f"[{style}]{escape(word)}[/]" if style else escape(word)


def local(moment: datetime | None, zone: ZoneInfo) -> str:
    """Format a moment in the configured time zone; the year only if it is not the current one."""
    if not moment:
        return "–"
    at = moment.astimezone(zone)
    year = "" if at.year == clock.now().astimezone(zone).year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {at:%H:%M}"


def print_table(titles: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Print a table; cells are markup, and the columns in `right` are numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in titles:
        number = title in right
        table.add_column(title, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    print_wide(table)


def facts_table(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Return labels with their values; values are markup and wrap in their own column."""
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, value)
    return table


def print_wide(table: Table) -> None:
    """Print within a terminal's width; elsewhere without wrapping, so that `grep` finds whole lines."""
    if out.is_terminal:
        out.print(table)
        return
    wide = Measurement.get(out, out.options.update(width=10_000), table).maximum
    text = io.StringIO()
    Out(file=text, width=max(wide, 1), highlight=False).print(table)
    click.echo("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def share(part: int, whole: int) -> float | None:
    """Return a percentage with one decimal; None if `whole` is zero."""
    return round(part / whole * 100, 1) if whole else None
