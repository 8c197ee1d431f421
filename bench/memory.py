"""Memory in Redis: bytes per remembered message id, per usage record, and per stored delivery."""

import secrets
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import redis

from app import logs
from app.config.load import Config, load
from app.core.count.delivery import read_delivery
from app.core.count.meter import AWB
from app.pipeline.count.count import count
from app.store import keys
from app.store.receive.inbox import Inbox
from app.store.rq import readyjob
from bench.bodies import TEMPLATE, created
from bench.drain import counted, unsynced
from bench.processes import ChildError, environment, store
from bench.progress import Progress
from bench.results import Aim, Row, Spread

GROUP: Final = "4. Memory of Redis"
_BATCH: Final = 200
_JOBS_AT_ONCE: Final = 2000
_SAMPLE: Final = 500
_PARTS: Final = {
    "record": keys.record("default", AWB, "*"),
    "workspace": keys.workspace("default", AWB, "*"),
    "log": keys.delivery("default", "*"),
}


def measure(directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    ids, records = (10_000, 4_000) if quick else (100_000, 20_000)
    logs.configure("json", "error")
    with store(directory / "memory") as (url, connection), unsynced(connection):
        config = load(environ=environment(directory, AWB_REDIS_URL=url, AWB_AI_TEMPLATES=TEMPLATE))
        progress.step(f"{GROUP}: {ids:,} message ids")
        seen = _remembered(connection, ids)
        connection.flushdb()
        progress.step(f"{GROUP}: {records:,} usage records")
        record, entry, parts = _kept(connection, config, records)
    detail = ", ".join(f"{name} {size:.0f} B" for name, size in parts.items())
    return [
        Row(GROUP, f"a remembered message id, of {ids:,}", Spread.of([seen]), "B", note="its job done and gone"),
        Row(GROUP, f"a usage record with all indexes, of {records:,}", Spread.of([record]), "B", Aim("<=", 1000)),
        Row(GROUP, "an entry of the log of deliveries", Spread.of([entry]), "B", note="expires with keep_days"),
        Row(GROUP, "values alone (MEMORY USAGE)", Spread.of([sum(parts.values())]), "B", note=detail),
    ]


def _remembered(connection: "redis.Redis", ids: int) -> float:
    """Accept deliveries and remove their jobs, like a worker that has finished them."""
    inbox = Inbox(connection, "default")
    run = secrets.token_hex(4)
    before = _used(connection)
    for start in range(0, ids, _JOBS_AT_ONCE):
        jobs = [
            readyjob.delivery_job("default", created(number, run).message_id, 0.0, {})
            for number in range(start, start + _JOBS_AT_ONCE)
        ]
        for number, job in enumerate(jobs, start):
            inbox.accept(job, created(number, run).message_id, time.time())
        connection.delete(jobs[0].queue_key, *(job.key for job in jobs))
    return (_used(connection) - before) / ids


def _kept(connection: "redis.Redis", config: Config, records: int) -> tuple[float, float, dict[str, float]]:
    """Count one delivery for each record with the worker's code; return bytes per record and per stored delivery."""
    before = _used(connection)
    deliveries = _deliveries(records)
    while batch := list(islice(deliveries, _BATCH)):
        count(connection, config, batch)
    if counted(connection) != records:
        raise ChildError(f"{records} records expected, {counted(connection)} counted")
    parts = {name: _value_size(connection, pattern) for name, pattern in _PARTS.items()}
    with_log = _used(connection)
    connection.delete(keys.deliveries("default"))
    for chunk in _chunks(connection, _PARTS["log"]):
        connection.delete(*chunk)
    without = _used(connection)
    return (without - before) / records, (with_log - without) / records, parts


def _deliveries(records: int) -> Iterator[tuple[Any, ...]]:
    run = secrets.token_hex(4)
    for number in range(records):
        delivery = read_delivery(created(number, run).body)
        yield "default", delivery.message_id, round(time.time(), 3), delivery.payload


def _value_size(connection: "redis.Redis", pattern: str) -> float:
    """Return the mean size of some keys of one kind, in bytes."""
    found = list(islice(connection.scan_iter(pattern, count=1000), _SAMPLE))
    sizes = [connection.memory_usage(key, samples=0) or 0 for key in found]
    return sum(sizes) / max(1, len(sizes))


def _chunks(connection: "redis.Redis", pattern: str) -> Iterator[list[bytes]]:
    found = connection.scan_iter(pattern, count=1000)
    while chunk := list(islice(found, 1000)):
        yield chunk


def _used(connection: "redis.Redis") -> int:
    """Return the bytes in use, after giving Redis time to shrink its tables."""
    time.sleep(0.5)
    return int(connection.info("memory")["used_memory"])
