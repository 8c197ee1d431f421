"""The state of one queue: what to request from Redis, and how to read the answer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rq.intermediate_queue import IntermediateQueue
from rq.registry import DeferredJobRegistry, FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry

from app import clock
from app.store import keys
from app.store.rq import jobqueue
from app.store.rq.jobs import read_time


@dataclass(frozen=True, slots=True)
class QueueState:
    """The state of one queue.

    Attributes:
        length: waiting jobs.
        oldest_age: seconds since the oldest of them was queued; None if none is waiting.
        started: jobs that a worker has taken, including batches.
        scheduled: jobs that wait for their next attempt.
        paused_by: who paused it.
    """

    name: str
    length: int
    oldest_age: float | None
    started: int
    deferred: int
    scheduled: int
    failed: int
    paused: bool
    paused_by: str = ""
    paused_at: datetime | None = None


def ask_for_queue(pipe: Any, name: str, now: datetime) -> None:
    pipe.llen(jobqueue.queue_key(name))
    pipe.lindex(jobqueue.queue_key(name), 0)
    pipe.zcard(registry_key(StartedJobRegistry, name))
    pipe.llen(intermediate_key(name))
    pipe.zcard(registry_key(DeferredJobRegistry, name))
    pipe.zcard(registry_key(ScheduledJobRegistry, name))
    # Expired entries do not count, even before RQ's maintenance removes them.
    pipe.zcount(registry_key(FailedJobRegistry, name), now.timestamp(), "+inf")
    pipe.hget(keys.MARKS, paused_mark(name))


def queue_state(
    name: str, row: Sequence[Any], enqueued_at: bytes | None, now: datetime, waiting: Sequence[Any]
) -> QueueState:
    """Read the state of one queue; `waiting`: how many jobs wait for their turn, and since when the oldest does."""
    length, _head, started, taken, deferred, scheduled, failed, note = row
    moments = [read_time(text.decode()) for text in (enqueued_at if length else None, waiting[1]) if text]
    since = min((moment for moment in moments if moment), default=None)
    length += waiting[0]
    age = max((now - since).total_seconds(), 0.0) if since else None
    paused = json.loads(note) if note else {}
    at = clock.at(paused["at"]) if paused else None
    return QueueState(
        name, length, age, started + taken, deferred, scheduled, failed, note is not None, paused.get("by", ""), at
    )


def paused_mark(queue: str) -> str:
    """Return the field of the marks that records who paused a queue, and when."""
    return f"paused:{queue}"


def registry_key(registry: Any, queue: str) -> str:
    return str(registry.key_template.format(queue))


def intermediate_key(queue: str) -> str:
    return str(IntermediateQueue.get_intermediate_queue_key(jobqueue.queue_key(queue)))
