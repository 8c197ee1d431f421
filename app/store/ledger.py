"""The ledger: evidence and usage records of each workspace, and the totals that follow from them."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import redis

from app.core.evidence import Evidence
from app.core.meter import RecordState, UsageRecord
from app.store import keys
from app.store.connection import script
from app.store.recordrow import read_row, reason_digest, write_row

_CONFLICT: Final = -1_000_000


@dataclass(frozen=True, slots=True)
class Settlement:
    """A workspace's evidence and the records that follow from it, as read at some version.

    Attributes:
        records: all records that may still be replaced; those that are no longer among them are withdrawn.
        proved: records to be added for good.
        last_proved: number of the last build that is proved; None leaves it.
    """

    workspace_id: str
    version: int
    evidence: Evidence
    records: Sequence[UsageRecord]
    at: float
    proved: Sequence[UsageRecord] = ()
    last_proved: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier passes over Coder's API left of a workspace.

    Attributes:
        last_proved: number of the last build that was looked at and had ended; 0 for none.
        names: its names as a listing gave them.
    """

    last_proved: int
    names: Mapping[str, str]


class Ledger:
    """The ledger of one deployment and meter."""

    def __init__(self, connection: "redis.Redis", deployment: str, meter: str) -> None:
        self.redis: Any = connection
        self.deployment = deployment
        self.meter = meter
        self._reasons: dict[str, str] = {}
        self._settle = script(connection, "settle")

    def read(self, workspace_ids: Sequence[str]) -> dict[str, tuple[int, Evidence]]:
        """Return version and evidence of workspaces, in one round trip; version 0 is one never seen."""
        with self.redis.pipeline(transaction=False) as pipe:
            for workspace_id in workspace_ids:
                pipe.hmget(keys.workspace(self.deployment, self.meter, workspace_id), "v", "e")
            rows = pipe.execute()
        return {
            workspace_id: (int(version or 0), Evidence.from_json(json.loads(evidence or b"{}")))
            for workspace_id, (version, evidence) in zip(workspace_ids, rows, strict=True)
        }

    def known(self, workspace_ids: Sequence[str]) -> dict[str, Known]:
        """Return what is known of workspaces from Coder's API, in one round trip."""
        with self.redis.pipeline(transaction=False) as pipe:
            for workspace_id in workspace_ids:
                pipe.hmget(keys.workspace(self.deployment, self.meter, workspace_id), "n", "t")
            rows = pipe.execute()
        return {
            workspace_id: Known(int(number or 0), json.loads(names or b"{}"))
            for workspace_id, (number, names) in zip(workspace_ids, rows, strict=True)
        }

    def has_proved(self, workspace_id: str) -> bool:
        """Tell whether any build of a workspace is proved to have counted."""
        return bool(self.redis.exists(keys.proved(self.deployment, self.meter, workspace_id)))

    def name(self, workspaces: Mapping[str, Mapping[str, str]]) -> None:
        """Keep workspaces' names as a listing gives them, by workspace id."""
        with self.redis.pipeline(transaction=False) as pipe:
            for workspace_id, names in workspaces.items():
                pipe.hset(keys.workspace(self.deployment, self.meter, workspace_id), "t", json.dumps(dict(names)))
            pipe.execute()

    def count_since(self, start: float, end: float = math.inf) -> int:
        """Return the number of records later than `start` and not later than `end`, in seconds since the epoch."""
        return int(self.redis.zcount(keys.records(self.deployment, self.meter), f"({start!r}", end))

    def settle(self, settlements: Sequence[Settlement]) -> tuple[int, list[str]]:
        """Put evidence and records in place, each workspace atomically.

        If we die here, some workspaces are settled and the others are not; the jobs run again and settle those.

        Returns:
            The change in units, and the workspaces that somebody else changed since they were read.
        """
        reasons = {reason_digest(r.reason): r.reason for s in settlements for r in (*s.records, *s.proved)}
        with self.redis.pipeline(transaction=False) as pipe:
            # Before the records that name them.
            pipe.hset(keys.reasons(self.deployment), mapping=reasons or {"": ""})
            for settlement in settlements:
                self._settle(keys=self._keys(settlement), args=self._args(settlement), client=pipe)
            # Names only help people to look up; written twice or too much they do no harm.
            for name, workspace_id in _lookup_names(settlements):
                pipe.zadd(keys.named(self.deployment, self.meter), {f"{name}\n{workspace_id}": 0})
            answers = [int(answer) for answer in pipe.execute()[1 : len(settlements) + 1]]
        conflicts = [s.workspace_id for s, answer in zip(settlements, answers, strict=True) if answer == _CONFLICT]
        return sum(answer for answer in answers if answer != _CONFLICT), conflicts

    def workspaces(self) -> Iterator[str]:
        """Yield every workspace with evidence."""
        for member, _score in self.redis.zscan_iter(keys.workspaces(self.deployment, self.meter), count=500):
            yield member.decode()

    def record(self, usage_key: str) -> UsageRecord | None:
        stored = self.redis.get(keys.record(self.deployment, self.meter, usage_key))
        return None if stored is None else read_row(usage_key, self.meter, stored, self._reason)

    def find(self, what: str) -> list[UsageRecord]:
        """Return the records of a usage key, workspace id, workspace name or `owner/workspace`, oldest first."""
        record = self.record(what)
        if record:
            return [record]
        name = what.lower()
        found_names = self.redis.zrangebylex(keys.named(self.deployment, self.meter), f"[{name}\n", f"({name}\x0b")
        ids = sorted({name, *(member.decode().partition("\n")[2] for member in found_names)})
        found = [record for workspace_id in ids for record in self.of_workspace(workspace_id)]
        return sorted(found, key=lambda record: record.at)

    def of_workspace(self, workspace_id: str) -> list[UsageRecord]:
        """Return the records of one workspace, oldest first."""
        listed = json.loads(self.redis.hget(keys.workspace(self.deployment, self.meter, workspace_id), "k") or b"[]")
        proved = self.redis.zrange(keys.proved(self.deployment, self.meter, workspace_id), 0, -1)
        found = (self.record(usage_key) for usage_key in [*listed, *(key.decode() for key in proved)])
        return sorted((record for record in found if record), key=lambda record: record.at)

    def page(self, cursor: str | None, limit: int) -> tuple[list[UsageRecord], str | None]:
        """Return records, newest first, and the cursor of the next page.

        The cursor is the place of the last record shown, so records that arrive meanwhile shift nothing.

        Raises:
            ValueError: the cursor is not one that this gave out.
        """
        index = keys.records(self.deployment, self.meter)
        low, after = _read_cursor(cursor)
        rows: list[tuple[bytes, float]] = self.redis.zrange(
            index, low, "-inf", desc=True, byscore=True, offset=0, num=limit + 1, withscores=True
        )
        if after is not None:
            rows = self._after(index, low, after, limit)
        shown, more = rows[:limit], len(rows) > limit
        stored = (
            self.redis.mget([keys.record(self.deployment, self.meter, key.decode()) for key, _ in shown])
            if shown
            else []
        )
        rows_read = [
            read_row(key.decode(), self.meter, item, self._reason)
            for (key, _), item in zip(shown, stored, strict=True)
            if item is not None
        ]
        following = f"{shown[-1][1]!r}~{shown[-1][0].decode()}" if more else None
        return rows_read, following

    def _reason(self, digest: str) -> str:
        if digest not in self._reasons:
            stored = self.redis.hget(keys.reasons(self.deployment), digest)
            self._reasons[digest] = "" if stored is None else stored.decode()
        return self._reasons[digest]

    def _after(self, index: str, low: str, after: str, limit: int) -> list[tuple[bytes, float]]:
        """Continue behind a record; those of the same moment stand in descending order of their keys."""
        start = 0
        rows: list[tuple[bytes, float]] = []
        while len(rows) <= limit:
            part = self.redis.zrange(
                index, low, "-inf", desc=True, byscore=True, offset=start, num=limit + 1, withscores=True
            )
            rows += [row for row in part if row[1] < float(low) or row[0] < after.encode()]
            start += len(part)
            if len(part) <= limit:
                break
        return rows

    def _keys(self, settlement: Settlement) -> list[str]:
        name, meter = self.deployment, self.meter
        return [
            keys.workspace(name, meter, settlement.workspace_id),
            keys.records(name, meter),
            keys.totals(name, meter),
            keys.workspaces(name, meter),
            keys.proved(name, meter, settlement.workspace_id),
        ]

    def _args(self, settlement: Settlement) -> list[Any]:
        args: list[Any] = [
            settlement.version,
            json.dumps(settlement.evidence.as_json(), separators=(",", ":")),
            json.dumps([record.key for record in settlement.records]),
            keys.record(self.deployment, self.meter, "")[:-1],
            keys.top_prefix(self.deployment, self.meter),
            settlement.workspace_id,
            settlement.at,
            "" if settlement.last_proved is None else settlement.last_proved,
        ]
        for record in (*settlement.records, *settlement.proved):
            args += [
                record.key,
                repr(record.at),
                datetime.fromtimestamp(record.at, UTC).date().isoformat(),
                record.weight,
                int(record.state is RecordState.PROVISIONAL),
                json.dumps(_names(record)),
                write_row(record),
            ]
        return args


def _lookup_names(settlements: Sequence[Settlement]) -> Iterator[tuple[str, str]]:
    for settlement in settlements:
        for record in (*settlement.records[:1], *settlement.proved[:1]):
            if record.workspace:
                yield record.workspace.lower(), settlement.workspace_id
                yield f"{record.owner}/{record.workspace}".lower(), settlement.workspace_id


def _names(record: UsageRecord) -> Mapping[str, str]:
    return {"user": record.owner, "template": record.template, "organization": record.organization}


def _read_cursor(cursor: str | None) -> tuple[str, str | None]:
    if cursor is None:
        return "+inf", None
    score, _, key = cursor.partition("~")
    # Python reads more as a number than Redis does.
    if not key or not math.isfinite(float(score)) or repr(float(score)) != score:
        raise ValueError(cursor)
    return score, key
