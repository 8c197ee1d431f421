"""How fast pages are with a year of history, and with Redis a millisecond away."""

import http.client
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Final

import redis

from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.simulator.loopback import free_port
from app.store.count.ledger import Ledger, RecordUpdate
from bench.bodies import TEMPLATE
from bench.drain import unsynced
from bench.far import further
from bench.processes import ChildError, awb, child, environment, store, wait_listening
from bench.progress import Progress
from bench.results import Aim, Row, Spread, percentile
from workers import embedded

GROUP: Final = "7. Pages with a year of history"
#: Builds a day, and days of history.
_DAILY, _YEAR, _MONTH = 1_200, 365, 30
_USERS, _TEMPLATES = 300, 12
#: As far away as a server in another zone of the same region.
_FURTHER: Final = 0.001
_BATCH: Final = 500
_PATHS: Final = (
    "/", "/wall", "/records", "/alerts", "/periods", "/users", "/queues", "/deployments", "/readyz", "/api/v1/usage",
    "/api/v1/records", "/metrics",
)  # fmt: skip
_TIMEOUT: Final = 30


def measure(directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    days, times = (_MONTH, 10) if quick else (_YEAR, 100)
    with store(directory / "pages") as (_, connection):
        progress.step(f"{GROUP}: {days * _DAILY:,} records of {days} days")
        with unsynced(connection):
            _fill(connection, days)
        with further(embedded.socket_path(directory / "pages"), _FURTHER) as url:
            port, log = free_port(), directory / "pages.log"
            env = environment(directory, AWB_BIND=f"127.0.0.1:{port}", AWB_REDIS_URL=url, AWB_AI_TEMPLATES=TEMPLATE)
            with child(awb("web"), log, env) as process:
                wait_listening(port, process, log)
                taken = {path: _times(port, path, times, progress) for path in _PATHS}
    title = f"slowest of {{}}, of {days * _DAILY:,} records, Redis 1 ms away"
    worst = max(taken, key=lambda path: percentile(taken[path], 0.99))
    middles = ", ".join(f"{path} {percentile(all_, 0.5):.0f}" for path, all_ in taken.items())
    return [
        Row(GROUP, f"{title.format('all pages')}: p99 of {times}", Spread.of([percentile(taken[worst], 0.99)]), "ms",
            Aim("<=", 100.0), f"it is {worst}"),
        Row(GROUP, "a page, p50", Spread.of([percentile(all_, 0.5) for all_ in taken.values()]), "ms", note=middles),
    ]  # fmt: skip


def _fill(connection: "redis.Redis", days: int) -> None:
    """Write proved builds of task workspaces, each of which was started three times."""
    ledger = Ledger(connection, "default", AWB)
    first = datetime.now(UTC) - timedelta(days=days)
    starts = (first.timestamp() + 86_400 * n / _DAILY for n in range(days * _DAILY))
    updates = _updates(starts)
    while batch := list(islice(updates, _BATCH)):
        if ledger.update_records(batch)[1]:
            raise ChildError("another process writes to this Redis")


def _updates(starts: Iterator[float]) -> Iterator[RecordUpdate]:
    for number in count():
        times = list(islice(starts, 3))
        if not times:
            return
        workspace = f"{number:08x}-0000-4000-8000-000000000000"
        records = [
            UsageRecord(
                key=f"build:{number:08x}-{place:04x}-4000-8000-000000000001",
                meter=AWB,
                state=RecordState.PROVED,
                at=at,
                workspace_id=workspace,
                workspace=f"task-{number:05}",
                owner=f"user-{number % _USERS}",
                template=f"template-{number % _TEMPLATES}",
                organization="default",
                rule="proved-by-api",
                reason="a build that Coder's API proves",
                deliveries=(),
                build_id=f"{number:08x}-{place:04x}-4000-8000-000000000001",
            )
            for place, at in enumerate(times)
        ]
        yield RecordUpdate(workspace, 0, Evidence(task=True), (), records, len(times))


def _times(port: int, path: str, times: int, progress: Progress) -> list[float]:
    """Return the milliseconds of each request, one after the other on one connection, without the first two."""
    progress.step(f"{GROUP}: {path}")
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    taken = []
    try:
        for _ in range(times + 2):
            began = time.perf_counter()
            client.request("GET", path)
            answer = client.getresponse()
            answer.read()
            if answer.status != http.HTTPStatus.OK:
                raise ChildError(f"{path} answered {answer.status}")
            taken.append((time.perf_counter() - began) * 1000)
    finally:
        client.close()
    return taken[2:]
