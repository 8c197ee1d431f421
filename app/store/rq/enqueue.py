"""Queueing by RQ: a job is saved and queued in one transaction, unless it is queued or running already."""

from typing import Any, Final

import redis
from rq.job import JobStatus

from app.store import keys
from app.store.rq import jobqueue
from app.store.rq.plainjob import PlainJob
from app.store.server.lease import Fence
from app.store.server.watching import watching

_UNDER_WAY: Final = frozenset({JobStatus.QUEUED, JobStatus.STARTED, JobStatus.SCHEDULED, JobStatus.DEFERRED})
# Longer than one scheduler can be behind another.
_MARK_SECONDS: Final = 86_400


def enqueue(connection: "redis.Redis", job: PlainJob, *, once: bool = False, fence: Fence | None = None) -> bool:
    """Queue a job unless it is queued or running already; True if it was queued.

    Args:
        connection: the connection to Redis.
        job: the job, identified by its id.
        once: also refuse it for a day after it has ended, so that parallel schedulers run the job of a tick only once.
        fence: what must hold for it to be queued at all; None for nothing.

    Raises:
        FencedError: it does not hold.
        redis.exceptions.RedisError: Redis is unavailable.
    """
    queue, mark = jobqueue.queue(job.queue, connection), keys.once(job.id)
    built = jobqueue.create_job(queue, job.id, job.function, job.args, job.description)

    def attempt(pipe: Any) -> bool:
        if fence:
            fence.check(pipe.get(fence.key))
        status = pipe.hget(built.key, "status")
        if (status or b"").decode() in _UNDER_WAY or (once and pipe.exists(mark)):
            return False
        pipe.multi()
        # A failed one may have left fields that this one does not have.
        pipe.delete(built.key)
        queue.enqueue_job(built, pipeline=pipe)
        if once:
            pipe.set(mark, "1", ex=_MARK_SECONDS)
        pipe.execute()
        return True

    # Another process may queue it at the same time.
    return watching(connection, [built.key, mark, *([fence.key] if fence else [])], attempt)
