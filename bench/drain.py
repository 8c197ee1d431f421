"""The speed of draining the queue, from the first job taken to the last one done, without starting the worker.

A job counts as done when RQ's hash of it is deleted, which is how it ends for all contestants (`result_ttl` 0).
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis

from app.core.count.meter import AWB
from app.pipeline.count.intake import take
from app.store import keys
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue, readyjob, turns
from bench.bodies import TEMPLATE, stories, units
from bench.jobs import EMPTY
from bench.processes import ChildError, awb, child, environment, last_words, rq_worker, store, wait_until
from bench.progress import Progress
from bench.results import Aim, Row, Spread

GROUP: Final = "2. Draining the queue"
_EMPTY_QUEUE: Final = "bench-empty"
_TAKING: Final = 120.0
_SIMPLE: Final = ("--worker-class", "rq.worker.SimpleWorker")
OURS, STOCK, SIMPLE, THEIRS_OURS = (
    "awb worker, real deliveries",
    "rq worker, empty jobs",
    "rq worker, SimpleWorker, empty jobs",
    "rq worker, our deliveries",
)


@dataclass(frozen=True, slots=True)
class Contest:
    """One contestant.

    Attributes:
        fill: queues the given number of jobs and returns the key of the last one.
    """

    name: str
    command: list[str]
    queue: str
    jobs: int
    fill: Callable[["redis.Redis", int], str]


def measure(directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    rounds = 2 if quick else 3
    rates: dict[str, list[float]] = {}
    totals_wrong = 0
    with store(directory / "drain") as (url, connection):
        env = environment(directory, AWB_REDIS_URL=url, AWB_AI_TEMPLATES=TEMPLATE, AWB_LOG_FORMAT="json")
        for number in range(rounds):
            for contest in _contests(url, quick=quick):
                progress.step(f"{GROUP}: round {number + 1} of {rounds}, {contest.name}, {contest.jobs} jobs")
                rates.setdefault(contest.name, []).append(_drain(connection, contest, directory, env))
                if contest.queue == jobqueue.DELIVERIES:
                    totals_wrong += counted(connection) != units(contest.jobs)
                connection.flushdb()
    return _rows(rates, totals_wrong)


def _contests(url: str, *, quick: bool) -> list[Contest]:
    ours, stock, simple, slow = (2000, 40, 150, 5) if quick else (8000, 140, 600, 20)
    return [
        Contest(OURS, awb("worker", jobqueue.DELIVERIES, "--burst"), jobqueue.DELIVERIES, ours, fill),
        Contest(STOCK, rq_worker(url, _EMPTY_QUEUE, "--burst"), _EMPTY_QUEUE, stock, _fill_empty),
        Contest(SIMPLE, rq_worker(url, _EMPTY_QUEUE, "--burst", *_SIMPLE), _EMPTY_QUEUE, simple, _fill_empty),
        Contest(THEIRS_OURS, rq_worker(url, jobqueue.DELIVERIES, "--burst"), jobqueue.DELIVERIES, slow, fill),
    ]


def fill(connection: "redis.Redis", count: int) -> str:
    """Queue deliveries in the same way as the receiver, and return the key of the last job."""
    inbox = Inbox(connection, "default")
    message_id = ""
    with unsynced(connection):
        for sample in stories(count, secrets.token_hex(4)):
            take(inbox, sample.body, None)
            message_id = sample.message_id
    return readyjob.delivery_job("default", message_id, 0, {}).key


def _fill_empty(connection: "redis.Redis", count: int) -> str:
    """Queue jobs in the same format as ours, whose function does nothing."""
    run = secrets.token_hex(4)
    job: Any = None
    with connection.pipeline(transaction=False) as pipe:
        for number, sample in enumerate(stories(count, run)):
            args = ["default", sample.message_id, 0.0, {"body": sample.body.decode()}]
            job = readyjob.ready_job(f"{run}-{number}", _EMPTY_QUEUE, EMPTY, args, "nothing")
            fields = list(job.fields)
            pipe.hset(job.key, mapping=dict(zip(fields[::2], fields[1::2], strict=True)))
            pipe.rpush(job.queue_key, job.id)
        pipe.execute()
    return str(job.key)


@contextmanager
def unsynced(connection: "redis.Redis") -> Iterator[None]:
    """Do not make Redis wait for the disk while something is prepared."""
    connection.config_set("appendfsync", "no")
    try:
        yield
    finally:
        connection.config_set("appendfsync", "always")


def _drain(connection: "redis.Redis", contest: Contest, directory: Path, env: dict[str, str]) -> float:
    """Return jobs per second between the first take and the end of the last job."""
    last = contest.fill(connection, contest.jobs)
    queue_key, log = jobqueue.queue_key(contest.queue), directory / "drain.log"
    with child(contest.command, log, env) as process:

        def until(condition: Callable[[], bool]) -> float:
            if not wait_until(lambda: condition() or process.poll() not in (None, 0), _TAKING, 0.001):
                raise ChildError(f"{contest.name} makes no progress: {last_words(log)}")
            return time.monotonic()

        own = turns.own_queue("default")
        began = until(lambda: connection.llen(queue_key) + connection.llen(own) < contest.jobs)
        ended = until(lambda: not connection.exists(last))
        process.wait(_TAKING)
    if process.returncode or connection.llen(queue_key):
        raise ChildError(f"{contest.name} ended with {process.returncode}: {last_words(log)}")
    return contest.jobs / (ended - began)


def counted(connection: "redis.Redis") -> int:
    """Return the sum of the totals over all months."""
    totals: Any = connection.hgetall(keys.totals("default", AWB))
    return sum(int(value) for name, value in totals.items() if name.startswith(b"m:"))


def _rows(rates: dict[str, list[float]], totals_wrong: int) -> list[Row]:
    against = ((STOCK, Aim(">=", 200.0)), (SIMPLE, Aim(">=", 50.0)))
    rows = [
        Row(GROUP, f"{OURS}, against: {name}", Spread.ratio(rates[OURS], rates[name]), "x", aim)
        for name, aim in against
    ]
    rows += [Row(GROUP, name, Spread.of(values), "/s") for name, values in rates.items()]
    note = "after the drains by our worker and by RQ's own"
    rows.append(Row(GROUP, "totals that came out wrong", Spread.of([totals_wrong]), "", Aim("==", 0), note))
    return rows
