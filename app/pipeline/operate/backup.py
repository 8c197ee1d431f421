"""Backup and restore of everything that cannot be obtained again, as rows; app/cli/backupfile.py has the format.

A backup is made while the meter works. It is consistent without stopping anything, because of its order and because
everything in it may be repeated: first message ids, then queued deliveries, then alerts and messages, and last the
ledger, each workspace at one moment. A delivery that arrives meanwhile is counted in the backup, is queued in it, or
is missing from it. In the last case Coder's retry or a pass over its API supplies it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import redis

from app import clock
from app.config.load import Config
from app.core.schema import READABLE_FROM, VERSION, Schema, missing_from
from app.store import keys
from app.store.backup.queued import JOB, put_queued, queued_rows
from app.store.backup.rawkeys import GLOBAL, KEY, Row, deployment_rows, is_kept, key_rows, put_keys
from app.store.backup.workspaces import WORKSPACE, meters, put_workspaces, workspace_rows
from app.store.receive.deployments import Deployments
from app.store.rq.queues import Queues
from app.store.schema import note_schema, prepare, read_schema
from app.store.server.commands import commands
from app.store.store import Store

#: The version of the rows: raised when an earlier version of the program could misread them.
FORMAT: Final = 1
KINDS: Final = frozenset({KEY, JOB, WORKSPACE})
_AT_ONCE: Final = 500
_SEEN: Final = "seen"
#: Written before the messages that a change of it causes: a message without its change is harmless.
_ALERT: Final = "alert"


class RestoreRefusedError(Exception):
    """Nothing is restored; the text explains why, and what to do."""


@dataclass(frozen=True, slots=True)
class Head:
    """The description of a backup.

    Attributes:
        format: the version of the rows.
        schema: the version of the data, and the earliest version that can read it.
        made_at: when the backup was started.
        program: the version of the program that made it.
    """

    format: int
    schema: tuple[int, int]
    made_at: datetime
    program: str
    deployments: tuple[str, ...]


def head(connection: "redis.Redis", config: Config, program: str) -> Head:
    """Return the head of a backup of everything in this Redis.

    Raises:
        RestoreRefusedError: Redis holds only part of another backup.
    """
    if commands(connection).exists(keys.RESTORING):
        raise RestoreRefusedError("a restore was started here and not completed; complete it first")
    found = read_schema(connection) or Schema(VERSION, READABLE_FROM)
    names = sorted({*Deployments(connection).names(), *config.settings.configured_deployments})
    return Head(FORMAT, (found.version, found.readable_from), clock.now(), program, tuple(names))


def rows(connection: "redis.Redis", deployments: Sequence[str]) -> Iterator[Row]:
    """Yield every row of a backup, in an order that misses nothing accepted before the start."""
    for deployment in deployments:
        yield from deployment_rows(connection, deployment, lambda kind: kind == _SEEN)
    yield from queued_rows(connection)
    yield from key_rows(connection, GLOBAL)
    for deployment in deployments:
        yield from deployment_rows(connection, deployment, lambda kind: kind == _ALERT)
        yield from deployment_rows(connection, deployment, lambda kind: is_kept(kind) and kind not in (_SEEN, _ALERT))
    for deployment in deployments:
        for meter in meters(connection, deployment):
            yield from workspace_rows(connection, deployment, meter)


def tally(counts: Counter[str], row: Row) -> None:
    """Count the contents of a row, for a summary."""
    if row[0] == WORKSPACE:
        counts["records"] += len(row[3]["records"])
        counts["workspaces"] += 1
    elif row[0] == JOB:
        counts["queued deliveries"] += 1


def restore(
    connection: "redis.Redis",
    about: Head,
    digest: str,
    given: Iterable[Row],
    *,
    replace: bool = False,
    progress: Callable[[int], object] = lambda _done: None,
) -> None:
    """Restore a backup completely, or leave a mark that stops the meter until the same backup has been restored.

    If the process dies, the mark stays and no part of the meter starts. Restoring the same file again
    starts from the beginning: each row replaces itself.

    Args:
        connection: Redis; no part of the meter uses it.
        about: the head of the file.
        digest: the digest of the file.
        given: the rows of the file, all of them checked.
        replace: delete existing data first.
        progress: called with the number of rows done.

    Raises:
        RestoreRefusedError: nothing was changed.
        BusyError: another process writes to this Redis; the mark stays.
    """
    _check(connection, about)
    _begin(connection, digest, replace=replace)
    done = 0
    for kind, batch in _batches(given):
        _PUT[kind](connection, batch)
        done += len(batch)
        progress(done)
    note_schema(connection, Schema(*about.schema))
    commands(connection).delete(keys.RESTORING)
    prepare(connection)


def _begin(connection: "redis.Redis", digest: str, *, replace: bool) -> None:
    """Set the mark and delete existing data, unless this same file is already being restored."""
    store = commands(connection)
    under_way = store.get(keys.RESTORING)
    if under_way is not None and under_way.decode() == digest:
        return
    if under_way is not None and not replace:
        raise RestoreRefusedError(
            "another backup was being restored here; restore that file again, or use --replace to delete its data"
        )
    if not replace and (held := holding(connection)):
        raise RestoreRefusedError(
            f"this Redis already holds {held}; use --replace to delete it first, or `awb import` to add records"
        )
    store.set(keys.RESTORING, digest)
    for name in Deployments(connection).traces():
        Deployments(connection).remove(name)


def holding(connection: "redis.Redis") -> str:
    """Describe existing data that a restore would mix with; empty if there is only what a first start leaves."""
    found: Counter[str] = Counter()
    for name in Deployments(connection).traces():
        found["records"] += sum(Store(connection, name).records(meter).count() for meter in meters(connection, name))
        found["deliveries"] += int(Store(connection, name).inbox.stats().get("accepted", 0))
    return " and ".join(f"{number:,} {words}" for words, number in found.items() if number)


def _check(connection: "redis.Redis", about: Head) -> None:
    if about.format > FORMAT:
        raise RestoreRefusedError(f"a newer version ({about.program}) made this backup; restore it with that version")
    missing_from(Schema(*about.schema))
    working = [worker.name for worker in Queues(connection).workers_and_queues()[0] if worker.state != "dead"]
    if working:
        raise RestoreRefusedError(
            f"{len(working)} workers are running on this Redis; stop every part of the meter, restore, and start again"
        )


def _batches(given: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    for kind, some in groupby(given, key=lambda row: str(row[0])):
        batch: list[Row] = []
        for row in some:
            batch.append(row)
            if len(batch) == _AT_ONCE:
                yield kind, batch
                batch = []
        if batch:
            yield kind, batch


def _put_keys(connection: "redis.Redis", batch: Sequence[Row]) -> None:
    with connection.pipeline(transaction=False) as pipe:
        put_keys(pipe, batch, clock.now().timestamp())
        pipe.execute()


_PUT: Final[dict[str, Callable[[Any, Sequence[Row]], None]]] = {
    KEY: _put_keys,
    JOB: put_queued,
    WORKSPACE: put_workspaces,
}
