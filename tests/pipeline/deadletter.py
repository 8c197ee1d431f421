"""Failed jobs: from real workers, or many at once in the same form."""

import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import redis
from rq.job import Job
from rq.worker import SimpleWorker

from app.config.load import Config
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue, readyjob
from app.store.server.connection import connect
from tests.pipeline.streams import DEPLOYMENT, Delivery
from tests.workers.make import put_poison
from workers.runner import worker

DELIVERIES = jobqueue.DELIVERIES


def job_key(job_id: str) -> str:
    return Job.redis_job_namespace_prefix + job_id


def work_off(connection: "redis.Redis", config: Config) -> SimpleWorker:
    """Work until the queue of deliveries is empty, as `drain` does, without the worker's thread that listens to RQ."""
    one = worker(DELIVERIES, connection, config)
    one.register_birth()
    while taken := one.dequeue_job_and_maintain_ttl(None):
        one.execute_job(*taken)
    one.register_death()
    return one


def dead_letter(connection: "redis.Redis", config: Config, name: str = "poison") -> str:
    """Let a worker fail at a job on its last attempt, and return the job's id."""
    job_id = put_poison(connection, name)
    connection.hset(job_key(job_id), "retries_left", 0)
    work_off(connection, config)
    return job_id


def fail(connection: "redis.Redis", config: Config, deliveries: Sequence[Delivery]) -> list[str]:
    """Queue deliveries, let a worker fail at each permanently, then fix the cause; return the jobs' ids."""
    good: dict[str, Any] = {}
    for deployment, message_id, at, payload in deliveries:
        job = readyjob.delivery_job(deployment, message_id, at, payload)
        assert Inbox(connection, deployment).accept(job, message_id, at)
        good[job.id] = connection.hget(job.key, "data")
        bad = json.dumps([jobqueue.CLASSIFY, None, [deployment, message_id, at, "text"], {}])
        connection.hset(job.key, mapping={"retries_left": 0, "data": bad})
    work_off(connection, config)
    for job_id, data in good.items():
        assert connection.hget(job_key(job_id), "status") == b"failed"
        connection.hset(job_key(job_id), "data", data)
    return list(good)


def write_failed(connection: Any, number: int, *, error: str = "ValueError: odd", payload: Any = None) -> list[str]:
    """Write the given number of failed jobs in RQ's form."""
    trace = f'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    f()\n{error}\n'
    kept = b64encode(zlib.compress(trace.encode())).decode()
    ids = []
    with connection.pipeline(transaction=False) as pipe:
        for n in range(number):
            given = {"notification_name": "Task Resumed"} if payload is None else payload
            job = readyjob.delivery_job(DEPLOYMENT, f"m{n}", 1_772_438_400.0 + n, given)
            fields = iter(
                [*job.fields, "status", "failed", "retries_left", 0, "ended_at", "2026-03-02T08:00:00.000000Z"]
            )
            pipe.hset(job.key, mapping=dict(zip(fields, fields, strict=True)))
            pipe.zadd(f"rq:failed:{DELIVERIES}", {job.id: 4_000_000_000 + n})
            pipe.xadd(f"rq:results:{job.id}", {"type": 2, "exc_string": kept})
            ids.append(job.id)
        pipe.execute()
    return ids


def swift(url: str) -> Iterator[None]:
    """Let Redis skip disk writes meanwhile: these tests write a lot, and kill no Redis."""
    connection = connect(url)
    connection.config_set("appendfsync", "no")
    yield
    connection.config_set("appendfsync", "always")
    connection.close()
