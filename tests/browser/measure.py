"""How long pages take over a year of 1,000 builds a day: `python -m tests.browser.measure [builds a day]`."""

import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import click
from flask.testing import FlaskClient

from app import clock
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.pipeline.watch.warn import warn
from app.store.count.records import Records
from app.store.server.connection import connect
from app.store.store import Store
from tests.browser import world
from tests.conftest import RedisServer, make_config

_DAYS = 365
_USERS, _TEMPLATES, _ORGANIZATIONS = 500, 40, 12
_ASKED = 200


def year(now: datetime, a_day: int) -> Iterator[UsageRecord]:
    """Yield builds of the last year by hundreds of users, each build in its own workspace."""
    dice = random.Random(1)
    for number in range(_DAYS * a_day):
        at = now - timedelta(seconds=number * 86_400 / a_day)
        identity = f"1b1b1b1b-0000-4000-8000-{number:012d}"
        user = min(int(dice.expovariate(0.02)), _USERS - 1)
        yield UsageRecord(
            key=f"build:{identity}",
            meter=AWB,
            state=RecordState.PROVED,
            at=at.timestamp(),
            workspace_id=world.workspace_id(number),
            workspace=f"task-{number}",
            owner=f"user-{user:03d}",
            template=f"template-{dice.randrange(_TEMPLATES)}",
            organization=f"organization-{dice.randrange(_ORGANIZATIONS)}",
            rule="coder-api",
            reason="A start of a task’s workspace that succeeded.",
            deliveries=(world.message_id(number),),
            build_id=identity,
        )


def times(client: FlaskClient, path: str) -> list[float]:
    """Return the sorted response times of a path in milliseconds."""
    found = []
    client.get(path)  # which compiles the templates
    for _ in range(_ASKED):
        begin = time.perf_counter()
        answer = client.get(path)
        assert (answer.status_code, bool(answer.data)) == (200, True)
        found.append((time.perf_counter() - begin) * 1000)
    return sorted(found)


def main(a_day: int) -> None:
    directory, now = Path(tempfile.mkdtemp(prefix="awb-")), clock.now()
    server = RedisServer(directory)
    server.start()
    try:
        connection = connect(server.url)
        begin, part = time.perf_counter(), []
        for record in year(now, a_day):
            part.append(record)
            if len(part) == 5000:
                world.put(connection, part)
                part = []
        world.put(connection, part)
        world.deliver(connection, list(year(now, 1))[:100])
        click.echo(f"{_DAYS * a_day:,} records in {time.perf_counter() - begin:.0f} s")
        config = make_config(server.url, limit=400_000, period="yearly", **world.CODER, **world.CHANNELS)
        world._hear(connection, now, (now - timedelta(days=300)).date(), _DAYS * a_day)
        warn(Store(connection, world.DEPLOYMENT), config, AWB)
        client = world.application(config, connection).test_client()
        record = Records(connection, world.DEPLOYMENT, AWB).page(None, 1)[0][0]
        lists = ["/records", "/records?user=user-003", f"/days/{now.date()}", "/alerts", "/periods"]
        for path in ["/", "/?tops=month", *lists, f"/records/{record.key}"]:
            found = times(client, path)
            median, late = statistics.median(found), found[int(len(found) * 0.99) - 1]
            click.echo(f"{path[:40]:40} median {median:6.1f} ms   p99 {late:6.1f} ms   worst {found[-1]:6.1f} ms")
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
