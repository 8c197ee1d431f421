"""Tables: rows and columns on a page, and the same as CSV and JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal

from flask import Response, stream_with_context

from app.core.text.csvtext import csv_line

FORMATS: Final = ("csv", "json")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in downloads and its title on the page. A hidden one is only in downloads."""

    name: str
    title: str
    kind: Literal["text", "count", "time"] = "text"
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Values by column, and their links on the page."""

    values: Mapping[str, Any]
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column contains the name of the row."""

    name: str
    columns: Sequence[Column]
    rows: Iterable[Row]

    @property
    def shown(self) -> list[Column]:
        return [column for column in self.columns if not column.hidden]


def download(table: Table, kind: str) -> Response:
    """Answer with a table as a file, row by row, because it may not fit in memory.

    Args:
        table: its rows may be a generator, which then runs while the answer is sent.
        kind: one of FORMATS.
    """
    lines = _csv(table) if kind == "csv" else _json(table)
    # Creating links needs the request's context.
    answer = Response(
        stream_with_context(lines), content_type=f"{'text/csv' if kind == 'csv' else 'application/json'}; charset=utf-8"
    )
    answer.headers["Content-Disposition"] = f'attachment; filename="awb-{table.name}.{kind}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _csv(table: Table) -> Iterator[str]:
    yield csv_line([column.name for column in table.columns])
    for row in table.rows:
        yield csv_line([_plain(row.values.get(column.name)) for column in table.columns])


def _json(table: Table) -> Iterator[str]:
    before = "[\n"
    for row in table.rows:
        values = {column.name: _plain(row.values.get(column.name)) for column in table.columns}
        yield before + json.dumps(values, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _plain(value: Any) -> Any:
    """Convert moments and days to ISO 8601, as in the HTTP API."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
