"""The table of supported versions: one row for each run, and one for each version that could not be had."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

BEGIN, END = "<!-- versions: begin -->", "<!-- versions: end -->"
#: The versions that users have, each by how its version begins: every one has a row, whether it can be had or not.
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
SERVERS: Final = (
    "Redis 6.2", "Redis 7.0", "Redis 7.2", "Redis 7.4", "Redis 8", "Valkey 7.2", "Valkey 8", "Valkey 9",
)  # fmt: skip


class Outcome(StrEnum):
    """How a run ended."""

    PASSED = "passed"
    FAILED = "**failed**"
    NOT_OBTAINABLE = "not obtainable"


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        python: its version, such as 3.13.0.
        server: name and version, such as Valkey 9.1.2.
        where: where they come from.
        outcome: how the run ended.
        detail: the counts of tests, and which were left out.
        day: when it ran, as YYYY-MM-DD.
    """

    python: str
    server: str
    where: str
    outcome: Outcome
    detail: str
    day: str

    @property
    def cell(self) -> tuple[str, ...]:
        """What a later run of the same replaces."""
        return self.python, self.server, self.where


def begins(version: str, wanted: str) -> bool:
    return f"{version}.".startswith(f"{wanted}.")


def merged(kept: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Return the rows of an earlier table with those of now, each in its old place or at the end."""
    rows = {row.cell: row for row in kept if row.outcome is not Outcome.NOT_OBTAINABLE}
    rows |= {row.cell: row for row in new}
    return list(rows.values())


def missing(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each version in which nothing ran."""
    none = "–"
    found = [
        Row(wanted, none, none, Outcome.NOT_OBTAINABLE, none, none)
        for wanted in PYTHONS
        if not any(begins(row.python, wanted) for row in rows)
    ]
    found += [
        Row(none, wanted, none, Outcome.NOT_OBTAINABLE, none, none)
        for wanted in SERVERS
        if not any(begins(row.server, wanted) for row in rows)
    ]
    return found


def render(rows: Sequence[Row], pythons_with: str, servers_with: str) -> str:
    """Return the table in Markdown.

    Args:
        rows: of all runs and of what is missing.
        pythons_with: the tests that ran on each Python.
        servers_with: the tests that ran on each further server.
    """
    lines = ["| Python | server | from | result | tests | on |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join([*row.cell, row.outcome, row.detail, row.day])} |" for row in rows]
    above = f"Each Python ran `{pythons_with}`, and each further server `{servers_with}`:"
    return "\n".join([above, "", *lines])


def read(file: Path) -> list[Row]:
    """Return the rows between the marks of a document."""
    text = file.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    return [Row(*row[:3], Outcome(row[3]), *row[4:]) for row in cells[1:]]


def write(file: Path, text: str) -> None:
    """Put the table between the marks of a document."""
    before, _, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def exit_code(rows: Sequence[Row]) -> int:
    """Return 0 if whatever could be had passed, and anything could be had."""
    ran = [row.outcome for row in rows if row.outcome is not Outcome.NOT_OBTAINABLE]
    return int(not ran or Outcome.FAILED in ran)
