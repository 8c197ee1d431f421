"""Prebuilt jobs of deliveries and relays: built once with RQ's own code, then only filled in.

So one script can check a delivery's message id, save its jobs and queue them, in one round trip. Other jobs are rare,
and RQ writes them (app/store/rq/enqueue.py).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
from rq.utils import utcformat

from app import clock
from app.core.text.compact import compact
from app.store.rq import jobqueue


@dataclass(frozen=True, slots=True)
class ReadyJob:
    """A job in RQ's stored form that has not been stored yet."""

    id: str
    queue: str
    own: Sequence[bytes]

    @property
    def shared(self) -> bytes:
        """The fields that all jobs of this queue share, as a JSON array of field, value, …."""
        return _shared_json(self.queue)

    @property
    def fields(self) -> list[Any]:
        """All fields: field, value, …."""
        return [*self.own, *_shared_fields(self.queue)]

    @property
    def key(self) -> str:
        return jobqueue.job_key(self.id)

    @property
    def queue_key(self) -> str:
        return jobqueue.queue_key(self.queue)


def ready_job(job_id: str, queue: str, function: str, args: Sequence[Any], description: str) -> ReadyJob:
    """Build a job without Redis.

    Args:
        job_id: letters, digits, `_` and `-`.
        queue: one of QUEUES.
        function: the dotted path; the receiver never imports the workers' code.
        args: JSON values.
        description: shown by `rq info` and in registries; without personal data.
    """
    moment = utcformat(clock.now()).encode()
    data = compact([function, None, args, {}]).encode()
    own = (b"created_at", moment, b"enqueued_at", moment, b"data", data, b"description", description.encode())
    return ReadyJob(job_id, queue, own)


@cache
def _shared_json(queue: str) -> bytes:
    return json.dumps(_shared_fields(queue)).encode()


@cache
def _shared_fields(queue: str) -> tuple[str, ...]:
    """Return the fields that RQ writes for every job of a queue, without those that differ between jobs."""
    job = jobqueue.create_job(jobqueue.queue(queue, redis.Redis()), "template", jobqueue.CLASSIFY, [], "")
    fields: list[str] = []
    for name, value in job.to_dict().items():
        # RQ reads a missing field like an empty one.
        if name not in ("created_at", "enqueued_at", "data", "description") and value not in (None, ""):
            fields += [name, value.decode() if isinstance(value, bytes) else str(getattr(value, "value", value))]
    return tuple(fields)


def delivery_job_id(deployment: str, message_id: str) -> str:
    return f"delivery-{deployment}-{message_id}"


def delivery_job(deployment: str, message_id: str, received_at: float, payload: Any) -> ReadyJob:
    description = f"classify delivery {message_id} of {deployment}"
    args = [deployment, message_id, received_at, payload]
    return ready_job(delivery_job_id(deployment, message_id), jobqueue.DELIVERIES, jobqueue.CLASSIFY, args, description)


def read_args(data: bytes) -> list[Any]:
    """Return the arguments of a job from the raw `data` that `ready_job` wrote.

    Raises:
        TypeError: it has another format.
        ValueError: the same, or it belongs to another function.
    """
    function, _instance, args, _kwargs = json.loads(data)
    if function != jobqueue.CLASSIFY or not isinstance(args, list):
        raise ValueError(function)
    return args
