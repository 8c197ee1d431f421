"""The ledger in a backup: each workspace complete, with its evidence and its records.

Indexes and totals are not kept: they are derived from the records. So a restored ledger is always consistent, even if
deliveries were counted while the backup was made.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from itertools import islice
from typing import Any, Final

from app.core.count.estimate import settled_keys
from app.core.count.evidence import Evidence, Folded
from app.core.count.meter import RecordState, UsageRecord
from app.store import keys
from app.store.backup.rawkeys import Row, raw, text
from app.store.count.evidencetext import read_evidence
from app.store.count.ledger import CONFLICT, Ledger, listed_as, record_args
from app.store.count.recordrow import reason_digest
from app.store.count.records import Records
from app.store.count.storedworkspace import read_keys, read_proved
from app.store.server.connection import script

WORKSPACE: Final = "workspace"
_AT_ONCE: Final = 200
_RECORD_FIELDS: Final = frozenset(field.name for field in fields(UsageRecord))


class BusyError(Exception):
    """Another process changes this Redis while it is being restored."""


def meters(connection: Any, deployment: str) -> list[str]:
    """Return the names of meters that have a ledger, sorted."""
    pattern = keys.workspace(deployment, "*", "*")
    place = len(keys.workspace(deployment, "", "").split(":")) - 2
    return sorted({key.decode().split(":")[place] for key in connection.scan_iter(match=pattern, count=1000)})


def workspace_rows(connection: Any, deployment: str, meter: str) -> Iterator[Row]:
    """Yield a row for each workspace, in its state at one moment."""
    prefix = keys.workspace(deployment, meter, "")
    found = connection.scan_iter(match=f"{prefix}*", count=1000)
    ids = (key.decode().removeprefix(prefix) for key in found)
    while batch := list(islice(ids, _AT_ONCE)):
        while batch:
            read, batch = _read(connection, deployment, meter, batch)
            yield from ([WORKSPACE, deployment, meter, one] for one in read)


def _read(connection: Any, deployment: str, meter: str, ids: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the data of workspaces, and those that changed meanwhile and have to be read again."""
    with connection.pipeline(transaction=True) as pipe:
        for one in ids:
            pipe.hgetall(keys.workspace(deployment, meter, one))
            pipe.zrange(keys.proved(deployment, meter, one), 0, -1)
            pipe.smembers(keys.folded(deployment, meter, one))
        answers = pipe.execute()
    stored = {one: answers[3 * number : 3 * number + 3] for number, one in enumerate(ids) if answers[3 * number]}
    wanted = {one: _record_keys(one, fields_, proved) for one, (fields_, proved, _) in stored.items()}
    everything = [key for keys_ in wanted.values() for key in keys_]
    found = {record.key: record for record in Records(connection, deployment, meter).read(everything)}
    kept: list[dict[str, Any]] = [
        {
            "id": one,
            "fields": {text(name): text(value) for name, value in fields_.items()},
            "folded": sorted(text(digest) for digest in folded),
            "records": [_row(found[key]) for key in wanted[one] if key in found],
        }
        for one, (fields_, _, folded) in stored.items()
    ]
    versions = _versions(connection, deployment, meter, list(stored))
    same = [one for one, version in zip(kept, versions, strict=True) if one["fields"].get("v") == version]
    return same, sorted(stored.keys() - {one["id"] for one in same})


def _record_keys(workspace_id: str, stored: Mapping[bytes, bytes], proved: Sequence[bytes]) -> list[str]:
    base = stored.get(b"b")
    settled = settled_keys(Evidence(base=Folded.from_json(base)), workspace_id) if base else []
    replaceable = read_keys(workspace_id, stored.get(b"k"))
    return list(dict.fromkeys([*replaceable, *settled, *read_proved(stored.get(b"p"), proved)]))


def _row(record: UsageRecord) -> dict[str, Any]:
    return {**asdict(record), "state": record.state.value}


def _versions(connection: Any, deployment: str, meter: str, ids: Sequence[str]) -> list[str | None]:
    with connection.pipeline(transaction=False) as pipe:
        for one in ids:
            pipe.hget(keys.workspace(deployment, meter, one), "v")
        return [None if value is None else text(value) for value in pipe.execute()]


def put_workspaces(connection: Any, rows: Sequence[Row]) -> None:
    """Restore workspaces with the script that counts, so that totals and indexes are updated.

    A repeated call changes nothing.

    Raises:
        BusyError: another process changed one of them.
    """
    update = script(connection, "update_records")
    ledgers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for _, deployment, meter, kept in rows:
        ledgers[deployment, meter].append(kept["id"])
    versions = {
        (*ledger, one): version
        for ledger, ids in ledgers.items()
        for one, version in zip(ids, _versions(connection, *ledger, ids), strict=True)
    }
    with connection.pipeline(transaction=False) as pipe:
        for _, deployment, meter, kept in rows:
            ledger = Ledger(connection, deployment, meter)
            _put(pipe, update, ledger, kept, versions[deployment, meter, kept["id"]])
        answers = pipe.execute()
    if any(answer == CONFLICT for answer in answers):
        raise BusyError("another process writes to this Redis; stop every part of the meter")


def _put(pipe: Any, update: Any, ledger: Ledger, kept: Mapping[str, Any], version: str | None) -> None:
    one, stored = kept["id"], kept["fields"]
    # Without evidence there are only names, from a listing.
    if "e" in stored:
        records = [_record(row) for row in kept["records"]]
        name = next((record.workspace for record in records), "") or read_evidence(raw(stored["e"])).name("workspace")
        pipe.zadd(keys.named(ledger.deployment, ledger.meter), {listed_as(one, name): 0})
        if records:
            reasons = {reason_digest(record.reason): record.reason for record in records}
            pipe.hset(keys.reasons(ledger.deployment), mapping=reasons)
        args: list[Any] = [version or "0", raw(stored["e"]), raw(stored.get("k", "[]"))]
        args += [keys.record(ledger.deployment, ledger.meter, "")[:-1]]
        args += [keys.top_prefix(ledger.deployment, ledger.meter), one, stored.get("n", "")]
        base = stored.get("b", "")
        args += [raw(base), Folded.from_json(base).records if base else 0]
        args += [len(kept["folded"]), *map(raw, kept["folded"])]
        for record in records:
            args += record_args(record)
        update(keys=ledger.keys_of(one), args=args, client=pipe)
    fields_ = {raw(name): raw(value) for name, value in stored.items()}
    pipe.hset(keys.workspace(ledger.deployment, ledger.meter, one), mapping=fields_)


def _record(row: Mapping[str, Any]) -> UsageRecord:
    known = {name: value for name, value in row.items() if name in _RECORD_FIELDS}
    return UsageRecord(**{**known, "state": RecordState(row["state"]), "deliveries": tuple(row["deliveries"])})
