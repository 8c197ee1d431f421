"""Queueing of ready-made jobs that no other write belongs to."""

from typing import Final

import redis

from app.store import keys
from app.store.rq import jobqueue
from app.store.server.connection import script

# Longer than any scheduler may lag behind another.
_MARK_SECONDS: Final = 86_400


def enqueue(connection: "redis.Redis", job: jobqueue.ReadyJob, *, once: bool = False) -> bool:
    """Queue a job unless the same one is under way; True when it was queued.

    Args:
        connection: Redis.
        job: the job; its id says what is the same.
        once: not even after it has ended, for a day: schedulers that run side by side do a tick's job once.
    """
    put = script(connection, "enqueue")
    return bool(
        put(
            keys=[job.key, job.queue_key, jobqueue.queues_key(), keys.once(job.id)],
            args=[job.id, _MARK_SECONDS if once else 0, *job.fields],
        )
    )
