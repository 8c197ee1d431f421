"""Tables: rows and columns on a page, and the same as CSV and JSON."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal

from flask import Response, current_app, stream_with_context

from app.core.text.csvtext import csv_line
from app.web.errors import RETRY_AFTER, Problem

FORMATS: Final = ("csv", "json")
EXTENSION: Final = "awb-downloads"


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

    Raises:
        app.web.errors.Problem: half of the threads are sending downloads; the others are for deliveries.
    """
    room: threading.Semaphore = current_app.extensions[EXTENSION]
    if not room.acquire(blocking=False):
        raise Problem(503, "Too many downloads at once. Try again in a moment.", headers=RETRY_AFTER)
    end = ExitStack()
    end.callback(room.release)
    # Creating links needs the request's context.
    lines = stream_with_context(_then(end.close, _csv(table) if kind == "csv" else _json(table)))
    answer = Response(lines, content_type=f"{'text/csv' if kind == 'csv' else 'application/json'}; charset=utf-8")
    answer.call_on_close(end.close)
    answer.headers["Content-Disposition"] = f'attachment; filename="awb-{table.name}.{kind}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def room_for_downloads(threads: int) -> threading.Semaphore:
    """Return what limits how many threads of a process send downloads, because some clients read slowly."""
    return threading.Semaphore(max(1, threads // 2))


def _then(end: Callable[[], None], lines: Iterator[str]) -> Iterator[str]:
    yield from lines
    end()


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
