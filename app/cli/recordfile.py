"""Files of records: CSV, JSON, or JSON Lines; written as a stream, and read line by line with `file:line` errors."""

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator
from pydantic import Field as PydanticField

from app import clock
from app.answers.records import Record
from app.core.count.meter import AWB, BUILD, RecordState, UsageRecord
from app.core.text.csvtext import csv_line, unguarded
from app.core.text.terminal import json_text

FORMATS: Final = ("csv", "json", "jsonl")
#: The columns in order, as in the HTTP API.
FIELDS: Final = tuple(Record.model_fields)
#: Only one line is in memory at a time. A record's names come from deliveries, which are far smaller.
_LONGEST_LINE: Final = 4_194_304
csv.field_size_limit(_LONGEST_LINE)
_CLOCKS_DIFFER: Final = timedelta(days=1)
_Identity = Annotated[str, StringConstraints(min_length=1)]


class LineError(ValueError):
    """A line is not a record; the message says where and why."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: _Identity
    meter: Literal["awb"] = AWB
    state: RecordState
    at: AwareDatetime
    workspace_id: _Identity
    workspace: str = ""
    owner: str = ""
    template: str = ""
    organization: str = ""
    build_id: _Identity | None = None
    rule: _Identity
    reason: str = ""
    deliveries: list[_Identity] = PydanticField(default_factory=list)
    weight: int = PydanticField(1, ge=1, le=1000)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.at > clock.now() + _CLOCKS_DIFFER:
            raise ValueError("at is in the future")
        if self.state is RecordState.PROVED and self.key != f"{BUILD}{self.build_id}":
            raise ValueError("the key of a proved record must be build: and its build_id")
        if self.state is RecordState.PROVISIONAL and not self.deliveries:
            raise ValueError("a provisional record must name the deliveries that it comes from")
        return self

    def record(self) -> UsageRecord:
        known = self.model_dump(exclude={"at", "deliveries"})
        return UsageRecord(**known, at=self.at.timestamp(), deliveries=tuple(self.deliveries))


def lines_of(records: Iterable[UsageRecord], kind: str) -> Iterator[str]:
    """Yield a file's lines while records arrive; one record is one line in every format."""
    if kind == "csv":
        yield csv_line(FIELDS, "\n")
    before = "[\n"
    for record in records:
        answer = Record.pick(record).plain()
        if kind == "csv":
            cells = [answer[name] for name in FIELDS]
            yield csv_line([json_text(cell) if isinstance(cell, list) else cell for cell in cells], "\n")
        elif kind == "jsonl":
            yield json_text(answer) + "\n"
        else:
            yield before + json_text(answer)
            before = ",\n"
    if kind == "json":
        yield "[]\n" if before == "[\n" else "\n]\n"


def read_records(file: Path) -> Iterator[UsageRecord | LineError]:
    """Yield every record of a file; for an invalid line, the error.

    The format is detected from the content. Only one line is in memory at a time.

    Raises:
        OSError: the file cannot be read.
    """
    with file.open(encoding="utf-8-sig", errors="strict", newline="") as source:
        numbered = _numbered(source, file)
        try:
            for number, first in numbered:
                if not first.strip():
                    continue
                whole = chain([(number, first)], numbered)
                yield from _json_records(whole, file) if first.lstrip()[:1] in ("{", "[") else _csv_records(whole, file)
        except LineError as error:
            yield error
        except UnicodeDecodeError:
            yield LineError(f"{file}: is not UTF-8 text")


def _numbered(source: Any, file: Path) -> Iterator[tuple[int, str]]:
    number = 0
    while line := source.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise LineError(f"{file}:{number}: the line is longer than {_LONGEST_LINE:,} characters")
        yield number, line


def _json_records(lines: Iterator[tuple[int, str]], file: Path) -> Iterator[UsageRecord | LineError]:
    for number, line in lines:
        text = line.strip().rstrip(",")
        if text in ("", "[", "]", "[]"):
            continue
        try:
            value = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            yield LineError(f"{file}:{number}: not a JSON object; each record must be on one line")
            continue
        yield _record(value, f"{file}:{number}")


def _csv_records(lines: Iterator[tuple[int, str]], file: Path) -> Iterator[UsageRecord | LineError]:
    number, first = next(lines)
    reader, before = csv.reader(chain([first], (line for _, line in lines)), strict=True), number - 1
    try:
        titles = next(reader, [])
        if set(titles) != set(FIELDS):
            missing = ", ".join(name for name in FIELDS if name not in titles) or "none"
            yield LineError(
                f"{file}:{number}: not a file of records: it needs the columns of `awb export`; missing: {missing}"
            )
            return
        for row in reader:
            if any(cell.strip() for cell in row):  # editors and spreadsheets leave empty lines, and rows of empty cells
                yield _csv_record(titles, row, f"{file}:{before + reader.line_num}")
    except csv.Error as error:
        yield LineError(f"{file}:{before + reader.line_num}: not valid CSV: {error}")


def _csv_record(titles: list[str], row: list[str], where: str) -> UsageRecord | LineError:
    if len(row) != len(titles):
        return LineError(f"{where}: {len(row)} cells, but the first line has {len(titles)}")
    values: dict[str, Any] = {name: unguarded(cell) for name, cell in zip(titles, row, strict=True)}
    values["build_id"] = values["build_id"] or None
    try:
        values["deliveries"] = json.loads(values["deliveries"])
    except (json.JSONDecodeError, RecursionError):
        return LineError(f"{where}: deliveries: not a JSON array")
    return _record(values, where)


def _record(value: Any, where: str) -> UsageRecord | LineError:
    try:
        return _Line.model_validate(value).record()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = f"{place}: {first['msg']}" if place else str(first["msg"])
        return LineError(f"{where}: {message.replace('Value error, ', '')}")
