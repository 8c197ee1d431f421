"""Queued deliveries, workers that process them, and what remains in Redis."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.worker import SimpleWorker

from app.config.load import Config
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue, readyjob
from tests.conftest import ABSENT, SECRET
from tests.pipeline.streams import DEPLOYMENT, Delivery
from workers.runner import worker
from workers.scheduler import Scheduler

ROOT = Path(__file__).resolve().parents[2]


def accept(connection: "redis.Redis", deliveries: Sequence[Delivery]) -> None:
    """Queue deliveries as the receiver does."""
    for deployment, message_id, at, payload in deliveries:
        job = readyjob.delivery_job(deployment, message_id, at, payload)
        assert Inbox(connection, deployment).accept(job, message_id, at)


def put(connection: "redis.Redis", job: readyjob.ReadyJob) -> None:
    """Queue any job, as any client that can write to Redis can."""
    fields = iter(job.fields)
    connection.hset(job.key, mapping=dict(zip(fields, fields, strict=True)))
    connection.sadd(jobqueue.queues_key(), job.queue_key)
    connection.rpush(job.queue_key, job.id)


def put_poison(connection: "redis.Redis", name: str = "poison") -> str:
    """Queue a delivery whose payload is no object, as no receiver would, and return the job's id."""
    job = readyjob.ready_job(
        f"delivery-{name}", jobqueue.DELIVERIES, jobqueue.CLASSIFY, [DEPLOYMENT, name, 1.0, "text"], "poison"
    )
    put(connection, job)
    return job.id


def drain(connection: "redis.Redis", config: Config, queue: str = jobqueue.DELIVERIES) -> SimpleWorker:
    """Work in this process until the queue is empty."""
    built = worker(queue, connection, config)
    built.work(burst=True, logging_level="CRITICAL")
    return built


def bring_back(connection: "redis.Redis", config: Config) -> None:
    """Let the scheduler queue what is due again."""
    scheduler = Scheduler(connection, config)
    scheduler.step()
    scheduler.rq.stop()


def jobs_in(connection: "redis.Redis", queue: str = jobqueue.DELIVERIES) -> dict[str, Any]:
    """Return every place of RQ's in which a job can be, with those that are there."""
    of = jobqueue.queue(queue, connection)
    return {
        "queued": of.get_job_ids(),
        "intermediate": of.intermediate_queue.get_job_ids(),
        "started": StartedJobRegistry(queue=of).get_job_ids(cleanup=False),
        "scheduled": ScheduledJobRegistry(queue=of).get_job_ids(cleanup=False),
        "failed": FailedJobRegistry(queue=of).get_job_ids(cleanup=False),
        "hashes": sorted(
            key.decode()
            for key in connection.scan_iter(match="rq:job:*", count=1000)
            if connection.hget(key, "origin") in (queue.encode(), None)
        ),
    }


NOTHING: dict[str, Any] = {
    "queued": [],
    "intermediate": [],
    "started": [],
    "scheduled": [],
    "failed": [],
    "hashes": [],
}


def environment(redis_url: str, **settings: Any) -> dict[str, str]:
    """Return the environment of a process that is configured as `config_for` does."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWB_")}
    usual = {
        "deployment": DEPLOYMENT,
        "ai_templates": "claude-code-tasks,codex-tasks",
        "limit": 20,
        "webhook_secret": SECRET,
        "session_secret": SECRET * 2,
        "data_dir": ABSENT,
        "log_level": "error",
    }
    ours = {f"AWB_{key.upper()}": str(value) for key, value in {**usual, "redis_url": redis_url, **settings}.items()}
    return {**inherited, "NO_PROXY": "*", "no_proxy": "*", "PYTHONPATH": str(ROOT), **ours}


def awb(*args: str, redis_url: str, log: Path | None = None, **settings: Any) -> "subprocess.Popen[bytes]":
    """Start a command of this program; what it writes goes to the log, where one is given."""
    command = [sys.executable, "-m", "app.cli", *args]
    with (log or Path(os.devnull)).open("ab") as out:
        return subprocess.Popen(command, env=environment(redis_url, **settings), stdout=out, stderr=out)
