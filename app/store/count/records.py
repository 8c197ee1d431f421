"""Reading the ledger: single records, and pages of them by time, user, template, organization and state."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import redis

from app.core.count.meter import RecordState, UsageRecord
from app.core.days import day_of, days_between, end_of_month, months, start_of
from app.store import keys
from app.store.count.naming import Naming
from app.store.count.recordrow import read_row
from app.store.count.storedworkspace import read_keys, read_proved
from app.store.server.commands import commands
from app.store.server.connection import script
from app.store.timeline import Place

#: The maximum number of records read by one call. If few of them match, the page is short and has a next one.
SCANNED_AT_MOST: Final = 10_000
_CHUNK: Final = 1000
# Dimensions whose identities are stored under another name (app/store/count/naming.py).
_IDENTITY: Final = {"user": "owner"}


@dataclass(frozen=True, slots=True)
class _Span:
    """Scores from `low` up to but not including `below`."""

    low: float
    below: float


class Records:
    """The records of one deployment and meter."""

    def __init__(self, connection: "redis.Redis", deployment: str, meter: str) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment
        self.meter = meter
        self._reasons: dict[str, str] = {}
        self._walk = script(connection, "walk")

    def record(self, usage_key: str) -> UsageRecord | None:
        return next(iter(self.read([usage_key])), None)

    def of_workspace(self, workspace_id: str) -> list[UsageRecord]:
        """Return the records of one workspace, oldest first."""
        return self.of_workspaces([workspace_id])[workspace_id]

    def of_workspaces(self, workspace_ids: Sequence[str]) -> dict[str, list[UsageRecord]]:
        """Return the records of each workspace, oldest first, in two round trips."""
        with self.redis.pipeline(transaction=False) as pipe:
            for one in workspace_ids:
                pipe.hmget(keys.workspace(self.deployment, self.meter, one), "k", "p")
                pipe.zrange(keys.proved(self.deployment, self.meter, one), 0, -1)
            rows = iter(pipe.execute())
        usage_keys = {
            one: [*read_keys(one, replaceable), *read_proved(proved, listed)]
            for one, (replaceable, proved), listed in zip(workspace_ids, rows, rows, strict=True)
        }
        found = {record.key: record for record in self.read([key for some in usage_keys.values() for key in some])}
        return {
            one: sorted((found[key] for key in some if key in found), key=lambda record: record.at)
            for one, some in usage_keys.items()
        }

    def oldest(self) -> date | None:
        """Return the UTC day of the first record."""
        found = self.redis.zrange(keys.records(self.deployment, self.meter), 0, 0, withscores=True)
        return day_of(found[0][1]) if found else None

    def count(self, start: float | None = None, end: float | None = None) -> int:
        """Return the number of records from `start` up to but not including `end`, in seconds since the epoch."""
        below = "+inf" if end is None else f"({end!r}"
        return int(
            self.redis.zcount(keys.records(self.deployment, self.meter), -math.inf if start is None else start, below)
        )

    def now_called(self, dimension: str, name: str) -> str:
        """Return the latest name of the user, template or organization that once had this name."""
        naming = Naming(self.connection, self.deployment, self.meter)
        return naming.now_called(_IDENTITY.get(dimension, dimension), name)

    def page(
        self,
        cursor: str | None,
        limit: int,
        *,
        start: float | None = None,
        end: float | None = None,
        user: str = "",
        template: str = "",
        organization: str = "",
        state: str = "",
    ) -> tuple[list[UsageRecord], str | None]:
        """Return records, newest first, and the cursor of the next page; None after the last page.

        The work per call is bounded: if few records match, a page may contain fewer than `limit`, even none.

        Args:
            cursor: the cursor from the previous page; None for the first.
            limit: the maximum number of records.
            start: the earliest time, in seconds since the epoch.
            end: the end of the range, excluded.
            user: only records of this owner; empty for all. The same applies to the other names.
            template: only records of this template.
            organization: only records of this organization.
            state: only records in this state.

        Raises:
            ValueError: the cursor is invalid.
        """
        place = Place.parse(cursor) if cursor is not None else None
        whole = _Span(-math.inf if start is None else start, math.inf if end is None else end)
        wanted_names = {"user": user, "template": template, "organization": organization}
        names = {name: self.now_called(name, value) for name, value in wanted_names.items() if value}
        spans = self._spans_with(names, place, whole) if names else iter([whole])
        wanted = {**names, **({"state": state} if state else {})}
        return self._collect(spans, place, limit, wanted)

    def _collect(
        self, spans: Iterator[_Span], place: Place | None, limit: int, wanted: Mapping[str, str]
    ) -> tuple[list[UsageRecord], str | None]:
        """Read through spans, newest first, until the page is full or enough records were scanned."""
        found: list[UsageRecord] = []
        # One more than requested shows whether there is a next page. If few match, the scanned number grows.
        left, most = SCANNED_AT_MOST, min(limit + 1, _CHUNK)
        for span in spans:
            while True:
                chunk = min(left, most)
                scanned, last, rows = self._scan(span, place, chunk, wanted)
                for at, record in rows:
                    if len(found) == limit:
                        return found, str(place)
                    found.append(record)
                    place = at
                place = last or place
                left -= scanned
                if left <= 0:
                    return found, str(place)
                if scanned < chunk:
                    break
                most = min(2 * most, _CHUNK)
        return found, None

    def _scan(
        self, span: _Span, place: Place | None, most: int, wanted: Mapping[str, str]
    ) -> tuple[int, Place | None, list[tuple[Place, UsageRecord]]]:
        """Scan records, and return how many there were, the position of the last one, and those that match."""
        top = repr(place.at) if place and place.at < span.below else f"({span.below!r}"
        scanned, last, score, *rows = self._walk(
            keys=[keys.records(self.deployment, self.meter)],
            args=[
                top,
                repr(span.low),
                most,
                repr(place.at) if place else "",
                place.member if place else "",
                keys.record(self.deployment, self.meter, "")[:-1],
                *(_text_of(name, value) for name, value in wanted.items()),
            ],
        )
        read = [
            (Place(float(at), key.decode()), read_row(key.decode(), self.meter, stored, self._reason))
            for key, at, stored in zip(rows[::3], rows[1::3], rows[2::3], strict=True)
        ]
        taken = [(at, record) for at, record in read if _takes(record, wanted)]
        return scanned, Place(float(score), last.decode()) if scanned else None, taken

    def _spans_with(self, names: Mapping[str, str], place: Place | None, whole: _Span) -> Iterator[_Span]:
        """Yield the days on which all these names have units, newest first, according to the totals."""
        edges = self._edges(whole, place)
        if edges is None:
            return
        first, last = edges
        spanned = list(months(first, last))
        for month, has in zip(spanned, self._have(names, [keys.month_of(month) for month in spanned]), strict=True):
            days = list(days_between(max(month, first), min(end_of_month(month), last))) if has else []
            for day, used in zip(days, self._have(names, [keys.day_of(day) for day in days]), strict=True):
                if used:
                    yield _Span(max(start_of(day), whole.low), min(start_of(day + timedelta(days=1)), whole.below))

    def _edges(self, whole: _Span, place: Place | None) -> tuple[date, date] | None:
        """Return the first and the last UTC day that can have records; None if there are none."""
        index = keys.records(self.deployment, self.meter)
        oldest = self.redis.zrange(index, 0, 0, withscores=True)
        newest = self.redis.zrange(index, -1, -1, withscores=True)
        if not oldest or not newest:
            return None
        low = max(oldest[0][1], whole.low)
        high = min(newest[0][1], whole.below, place.at if place else math.inf)
        return (day_of(low), day_of(high)) if low <= high else None

    def _have(self, names: Mapping[str, str], spans: list[str]) -> list[bool]:
        if not spans:
            return []
        prefix = keys.top_prefix(self.deployment, self.meter)
        with self.redis.pipeline(transaction=False) as pipe:
            for span in spans:
                for dimension, name in names.items():
                    pipe.zscore(f"{prefix}:{dimension}:{span}", name)
            scores = pipe.execute()
        width = len(names)
        return [all(score is not None for score in scores[n * width : (n + 1) * width]) for n in range(len(spans))]

    def read(self, usage_keys: Sequence[str]) -> list[UsageRecord]:
        """Return the records with these keys, leaving out those that do not exist."""
        if not usage_keys:
            return []
        stored = self.redis.mget([keys.record(self.deployment, self.meter, key) for key in usage_keys])
        return [
            read_row(key, self.meter, item, self._reason)
            for key, item in zip(usage_keys, stored, strict=True)
            if item is not None
        ]

    def _reason(self, digest: str) -> str:
        if digest not in self._reasons:
            stored = self.redis.hget(keys.reasons(self.deployment), digest)
            self._reasons[digest] = "" if stored is None else stored.decode()
        return self._reasons[digest]


def _text_of(name: str, value: str) -> str:
    """Return a text that is in every stored record with this value, and in few others (recordrow.py)."""
    if name == "state":
        return "\n[1," if value == RecordState.PROVISIONAL else "\n[0,"
    return json.dumps(value)


def _takes(record: UsageRecord, wanted: Mapping[str, str]) -> bool:
    has = {
        "user": record.owner,
        "template": record.template,
        "organization": record.organization,
        "state": record.state.value,
    }
    return all(has[name] == value for name, value in wanted.items())
