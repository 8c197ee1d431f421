"""Records on pages: filters from the URL, and tables of the matching records."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from flask import abort, request

from app.answers.records import Record
from app.core.count.meter import AWB, RecordState, Usage, UsageRecord
from app.core.days import start_of
from app.core.limit.period import Period
from app.store.count.records import Records
from app.store.store import Store
from app.web.pages.frame import day_of, here, record_path, to
from app.web.pages.tables import Column, Row, Table

PAGE: Final = 50
_PART: Final = 500
_LONGEST: Final = 300
_LONGEST_COUNT: Final = 12
#: More would be slow to send, and too many to choose from.
_SUGGESTED: Final = 200
NAMES: Final = ("user", "template", "organization")
_COLUMNS: Final = (
    Column("build", "Build"),
    Column("at", "Counted", "time"),
    Column("user", "User"),
    Column("template", "Template"),
    Column("organization", "Organization"),
    Column("state", "State"),
    Column("rule", "Rule"),
    Column("weight", "Units", "count", hidden=True),
    Column("reason", "Reason", hidden=True),
    Column("key", "Usage key", hidden=True),
    Column("workspace", "Workspace", hidden=True),
    Column("workspace_id", "Workspace id", hidden=True),
    Column("build_id", "Build id", hidden=True),
    Column("deliveries", "Deliveries", hidden=True),
)


@dataclass(frozen=True, slots=True)
class Position:
    """The positions of the rows on a page, from one; `total` is None if it is unknown."""

    first: int
    last: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters for records. Days are UTC, and both are included."""

    user: str = ""
    template: str = ""
    organization: str = ""
    state: str = ""
    first: date | None = None
    last: date | None = None

    @classmethod
    def of_request(cls) -> "Filters":
        """Parse the URL; 404 for values that our forms do not send."""
        args = {name: request.args.get(name, "")[:_LONGEST] for name in (*NAMES, "state")}
        if args["state"] and args["state"] not in [state.value for state in RecordState]:
            abort(404, "The state must be proved or provisional.")
        return cls(**args, first=_day("from"), last=_day("to"))

    def page(self, records: Records, cursor: str | None, limit: int) -> tuple[list[UsageRecord], str | None]:
        """Return records and the cursor of the next page; 404 for an invalid cursor."""
        start, end = self._edges()
        try:
            return records.page(
                cursor,
                limit,
                start=start,
                end=end,
                user=self.user,
                template=self.template,
                organization=self.organization,
                state=self.state,
            )
        except ValueError:
            abort(404, "This page of the list does not exist. Start again at the first page.")

    def _edges(self) -> tuple[float | None, float | None]:
        return (
            start_of(self.first) if self.first else None,
            start_of(self.last + timedelta(days=1)) if self.last else None,
        )

    def count(self, store: Store, today: date) -> int | None:
        """Return the number of matching records; None if that would require reading all of them."""
        rows, names = store.records(AWB), [(name, getattr(self, name)) for name in NAMES if getattr(self, name)]
        if self.state or len(names) > 1:
            return None
        if not names:
            return rows.count(*self._edges())
        oldest = rows.oldest()
        if oldest is None:
            return 0
        # A build is one unit, so the totals by name are numbers of records.
        end = self.last + timedelta(days=1) if self.last else None
        [(dimension, name)] = names
        period = Period(max(self.first or oldest, oldest), end)
        return store.snapshot(AWB).units_of(dimension, rows.now_called(dimension, name), period, today)

    def words(self) -> list[tuple[str, str, str]]:
        """Return (label, value, link without it) for each active filter."""
        given = [(name, getattr(self, name)) for name in (*NAMES, "state")]
        given += [("from", self.first.isoformat() if self.first else ""), ("to", self.last and self.last.isoformat())]
        return [(name, value, here(**{name: None, "cursor": None, "seen": None})) for name, value in given if value]


def suggestions(store: Store, usage: Usage, today: date) -> dict[str, list[str]]:
    """Return suggestions for the filters: the names with the most builds in the period."""
    snapshot = store.snapshot(usage.meter)
    found = {dimension: snapshot.names(dimension, usage.period, today, _SUGGESTED) for dimension in NAMES}
    return {dimension: sorted(name for name, _ in listed if name) for dimension, listed in found.items()}


def position(shown: int, following: str | None, total: int | None) -> Position | None:
    """Return the position of a page in its list, from `seen` in the URL; None for an empty page."""
    text = request.args.get("seen", "0")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) < _LONGEST_COUNT else 0
    if not shown:
        return None
    # New builds shift the rows while somebody pages, so the total is at least the number shown.
    whole = before + shown if following is None else total
    return Position(before + 1, before + shown, whole if whole is None else max(whole, before + shown))


def records_table(found: Iterable[UsageRecord], name: str = "records") -> Table:
    return Table(name, _COLUMNS, (_row(record) for record in found))


def page_of_records(found: Iterable[UsageRecord]) -> Table:
    """Return a table of records that can be read more than once."""
    return Table("records", _COLUMNS, [_row(record) for record in found])


def every_record(records: Records, filters: Filters) -> Iterator[UsageRecord]:
    """Yield all matching records, newest first, in batches of some hundreds."""
    cursor: str | None = None
    while True:
        found, cursor = filters.page(records, cursor, _PART)
        yield from found
        if cursor is None:
            return


def title(record: UsageRecord) -> str:
    """Return a title for a record: the workspace and its owner, if known."""
    names = "/".join(name for name in (record.owner, record.workspace) if name)
    return names or record.workspace_id or record.key


def _row(record: UsageRecord) -> Row:
    values = {
        **dict(Record.pick(record)),
        "build": title(record),
        "user": record.owner,
        "deliveries": " ".join(record.deliveries),
    }
    links = {name: to("/records", **{name: values[name]}) for name in NAMES if values[name]}
    return Row(values, {"build": to(record_path(record.key)), **links})


def _day(name: str) -> date | None:
    text = request.args.get(name, "")
    found = day_of(text) if text else None
    if text and found is None:
        abort(404, f"“{text[:40]}” is not a day; write it as 2026-01-31.")
    return found
