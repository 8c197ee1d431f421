"""How Redis grows: days of deliveries along the real path, memory by kind of key, and the growth over a year."""

import re
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from app import clock, logs
from app.config.load import Config, load
from app.pipeline.count.intake import take
from app.store import keys
from app.store.rq import jobqueue
from app.store.server.connection import connect
from app.store.store import Store
from bench.bodies import TEMPLATE, stories, units
from bench.drain import counted, unsynced
from bench.processes import ChildError, environment, store
from bench.progress import Progress
from bench.results import Aim, Row, Spread
from workers import runtime
from workers.runner import worker

GROUP: Final = "8. Growth of Redis"
#: Deliveries per day of a large deployment; a fifth of them are builds, the others concern tasks and other events.
DAILY: Final = 6_000
_START: Final = datetime(2026, 1, 5, tzinfo=UTC)
_BATCH: Final = 200
_YEAR: Final = 365
#: A moment in microseconds, as real ones have; whole seconds would take less space.
_FRACTION: Final = 482_913
#: What exists because of records, evidence and indexes included.
_LEDGER: Final = frozenset({"record", "records", "totals", "top", "ws", "named", "proved", "folded"})
#: Number of kinds of keys to list.
_SHOWN: Final = 10
_MEGABYTE: Final = 1_000_000


def measure(directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    days, daily = (4, 1_000) if quick else (8, DAILY)
    logs.configure("json", "error")
    progress.step(f"{GROUP}: workspaces with one build each")
    once = _once(directory, daily)
    with store(directory / "growth") as (url, bare), unsynced(bare), connect(url) as connection:
        config = load(environ=environment(directory, AWB_REDIS_URL=url, AWB_AI_TEMPLATES=TEMPLATE))
        runtime.use(connection, config)
        used = [_used(connection)]
        for number in range(days):
            progress.step(f"{GROUP}: day {number + 1} of {days}, {daily:,} deliveries")
            _live(connection, config, number, _samples(number, daily))
            used.append(_used(connection))
        runtime.forget()
        if counted(connection) != days * units(daily):
            raise ChildError(f"{days * units(daily)} records expected, {counted(connection)} counted")
        kinds = _kinds(connection)
    twice = _per_record(kinds, days * units(daily))
    return [*_rows(used, daily), *_record_rows(twice, once), *_kind_rows(kinds)]


def _once(directory: Path, count: int) -> float:
    """Return the bytes of a record if every workspace was created and never resumed."""
    samples = [one for one in _samples(0, count) if b"Task Paused" not in one[1] and b"Task Resumed" not in one[1]]
    with store(directory / "once") as (url, bare), unsynced(bare), connect(url) as connection:
        config = load(environ=environment(directory, AWB_REDIS_URL=url, AWB_AI_TEMPLATES=TEMPLATE))
        runtime.use(connection, config)
        _live(connection, config, 0, samples)
        runtime.forget()
        return _per_record(_kinds(connection), counted(connection))


def _per_record(kinds: dict[str, tuple[int, int]], records: int) -> float:
    return sum(size for kind, (_, size) in kinds.items() if kind in _LEDGER) / records


def _record_rows(twice: float, once: float) -> list[Row]:
    """Return the bytes of a record with its evidence and indexes (MEMORY USAGE)."""
    aim = Aim("<=", 1000)
    return [
        Row(GROUP, "a record, evidence and indexes included, of two of each workspace", Spread.of([twice]), "B", aim),
        Row(GROUP, "the same, the only one of each workspace", Spread.of([once]), "B", aim),
    ]


def _rows(used: Sequence[int], daily: int) -> list[Row]:
    """Return the growth on a day with as many packed as new deliveries, and the resulting growth over a year."""
    # Deliveries of the first two days are not packed yet.
    days = [after - before for before, after in pairwise(used[2:])]
    mean = sum(days) / len(days)
    first = used[2] - 2 * mean
    curve = {days: (first + days * mean * DAILY / daily) / _MEGABYTE for days in (30, 90, 180, _YEAR)}
    shown = ", ".join(f"{days} days {size:.0f} MB" for days, size in curve.items())
    aim = Aim("<=", 1000)
    return [
        Row(GROUP, f"a day of {daily:,} deliveries, {units(daily):,} of them builds", Spread.of(days), "B"),
        Row(GROUP, f"a year of {DAILY:,} deliveries a day", Spread.of([curve[_YEAR]]), "MB", aim, note=shown),
    ]


def _live(connection: Any, config: Config, number: int, samples: Sequence[tuple[str, bytes]]) -> None:
    """Simulate a day: deliveries arrive, a worker counts them, and the sweep packs those of the previous day."""
    inbox = Store(connection, "default").inbox
    for start in range(0, len(samples), _BATCH):
        at = _START + timedelta(days=number, seconds=86_400 * start // len(samples), microseconds=_FRACTION)
        with clock.reading(lambda at=at: at):
            for message_id, body in samples[start : start + _BATCH]:
                take(inbox, body, message_id)
            worker(jobqueue.DELIVERIES, connection, config).work(burst=True, logging_level="CRITICAL")
    end = _START + timedelta(days=number + 1)
    while Store(connection, "default").packs.pack((end - timedelta(days=1)).timestamp(), 4000 * 86_400):
        pass
    connection.delete(jobqueue.queue_key(jobqueue.NOTIFICATIONS))


def _samples(number: int, count: int) -> list[tuple[str, bytes]]:
    """Return ids and bodies of a day. Ids look random, like Coder's; others would compress too well."""
    run = f"{number:08x}"
    pattern = re.compile(rf"{run}-[0-9a-f]{{4}}-4000-8000-[0-9a-f]{{12}}")

    def randomized(text: str) -> str:
        return pattern.sub(lambda found: str(UUID(bytes=blake2s(found[0].encode(), digest_size=16).digest())), text)

    return [(randomized(one.message_id), randomized(one.body.decode()).encode()) for one in stories(count, run)]


def _used(connection: Any) -> int:
    """Return the bytes in use, after giving Redis a moment to shrink its tables."""
    time.sleep(0.3)
    return int(connection.info("memory")["used_memory"])


def _kinds(connection: Any) -> dict[str, tuple[int, int]]:
    """Return the number of keys and bytes of each kind."""
    number: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for key in connection.scan_iter(match=keys.every("default"), count=1000):
        kind = keys.kind_of("default", key.decode())
        number[kind] += 1
        size[kind] += connection.memory_usage(key, samples=0) or 0
    return {kind: (number[kind], size[kind]) for kind in sorted(size, key=lambda one: -size[one])}


def _kind_rows(kinds: dict[str, tuple[int, int]]) -> list[Row]:
    largest = list(kinds.items())[:_SHOWN]
    shown = ", ".join(f"{kind} {size / _MEGABYTE:.1f} MB in {number:,} keys" for kind, (number, size) in largest)
    whole = sum(size for _, size in kinds.values()) / _MEGABYTE
    return [Row(GROUP, "by kind of key (MEMORY USAGE)", Spread.of([whole]), "MB", note=shown)]
