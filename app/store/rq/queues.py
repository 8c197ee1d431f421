"""RQ's queues for operators: lengths, workers and failed jobs; requeueing, deleting and pausing.

Every read takes two or three round trips and a bounded number of entries, however much Redis contains. Every change is
one script, so that it is safe while workers, RQ's own commands and other operators are active.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import redis
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.results import Result
from rq.suspension import WORKERS_SUSPENDED
from rq.utils import utcformat

from app import clock
from app.core.text.compact import compact
from app.store import keys
from app.store.rq import jobqueue, turns
from app.store.rq.jobs import FAILED, FIELDS, JobState, read_job
from app.store.rq.queuestate import QueueState, ask_for_queue, intermediate_key, paused_mark, queue_state, registry_key
from app.store.rq.workers import WorkerState, ask_for_names, ask_for_states, known_names, read_workers, states
from app.store.server.commands import commands
from app.store.server.connection import script


def _redacted(text: str) -> str:
    from app.logs import redact_text  # noqa: PLC0415 - slow to import, and only texts of failed jobs need it

    return redact_text(text)


class Queues:
    """The queues of this program.

    Args:
        connection: Redis.
        hide: removes secrets from the texts of exceptions and descriptions.
    """

    def __init__(self, connection: "redis.Redis", hide: Callable[[str], str] = _redacted) -> None:
        self.connection, self.redis = connection, commands(connection)
        self._hide = hide

    def overview(self) -> list[QueueState]:
        """Return every queue, in two round trips."""
        return self.workers_and_queues()[1]

    def workers_and_queues(self) -> tuple[list[WorkerState], list[QueueState]]:
        """Return the registered workers and every queue, in two round trips."""
        now = clock.now()
        with self.redis.pipeline(transaction=False) as pipe:
            ask_for_names(pipe)
            for name in jobqueue.QUEUES:
                ask_for_queue(pipe, name, now)
            turns.ask_for_waiting(pipe)
            *found, waiting = pipe.execute()
        names, found = known_names(found), found[len(jobqueue.QUEUES) :]
        rows = [found[at : at + 8] for at in range(0, len(found), 8)]
        with self.redis.pipeline(transaction=False) as pipe:
            for row in rows:
                pipe.hget(jobqueue.job_key((row[1] or b"").decode()), "enqueued_at")
            ask_for_states(pipe, names)
            oldest = pipe.execute()
        queues = [
            queue_state(name, row, since, now, waiting if name == jobqueue.DELIVERIES else (0, None))
            for name, row, since in zip(jobqueue.QUEUES, rows, oldest[: len(rows)], strict=True)
        ]
        return states(names, oldest[len(rows) :]), queues

    def suspended(self) -> bool:
        """Return whether all workers of this Redis are suspended by `rq suspend`."""
        return bool(self.redis.exists(WORKERS_SUSPENDED))

    def workers(self) -> list[WorkerState]:
        """Return the registered workers, including dead ones until RQ forgets them, in two round trips."""
        return read_workers(self.connection)

    def without_worker(self, since: datetime | None = None) -> list[str]:
        """Return the queues without a live worker, or without one that has reported since a moment.

        Queues without a permanent worker are included only if jobs wait in them.
        """
        workers, queues = self.workers_and_queues()
        served = {
            worker.queue
            for worker in workers
            if worker.state != "dead" and (since is None or (worker.last_heartbeat or since) > since)
        }
        idle = [queue for queue in queues if queue.name not in served]
        return [queue.name for queue in idle if queue.name in jobqueue.CORE or queue.length]

    def failed(self, queue: str, limit: int, offset: int = 0) -> list[JobState]:
        """Return failed jobs, latest failure first."""
        ids = self.redis.zrevrange(registry_key(FailedJobRegistry, queue), offset, offset + limit - 1)
        found = self.jobs([job_id.decode() for job_id in ids])
        # A job that was queued again under the same id leaves its entry here until it fails again or is requeued.
        return [job for job in found if job.status in FAILED]

    def failed_count(self, queue: str) -> int:
        return int(self.redis.zcard(registry_key(FailedJobRegistry, queue)))

    def forget_failed(self, queue: str, job_ids: Sequence[str]) -> None:
        """Remove entries without a job from the failed job registry."""
        if job_ids:
            self.redis.zrem(registry_key(FailedJobRegistry, queue), *job_ids)

    def failed_ids(self, queue: str, limit: int) -> list[str]:
        """Return ids of failed jobs, earliest failure first."""
        return [job_id.decode() for job_id in self.redis.zrange(registry_key(FailedJobRegistry, queue), 0, limit - 1)]

    def job(self, job_id: str) -> JobState | None:
        """Return a job in one of our queues; None if there is none."""
        return next(iter(self.jobs([job_id])), None)

    def jobs(self, job_ids: Sequence[str]) -> list[JobState]:
        """Return those of these jobs that exist in one of our queues."""
        with self.redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hmget(jobqueue.job_key(job_id), *FIELDS)
                pipe.xrevrange(Result.get_key(job_id), count=1)
                pipe.xlen(Result.get_key(job_id))
            found = pipe.execute()
        rows = (found[at : at + 3] for at in range(0, len(found), 3))
        read = [read_job(job_id, *row, hide=self._hide) for job_id, row in zip(job_ids, rows, strict=True)]
        return [job for job in read if job and job.queue in jobqueue.QUEUES]

    def records(self, jobs: Sequence[JobState]) -> list[dict[str, Any] | None]:
        """Return the record of the delivery that each of these jobs carries; None if there is none."""
        names = [keys.delivery(job.deployment, job.message_id) for job in jobs]
        return [None if text is None else dict(json.loads(text)) for text in (self.redis.mget(names) if names else [])]

    def requeue(self, queue: str, job_ids: Sequence[str]) -> list[str]:
        """Queue failed jobs again, and return the ids of those that were queued; repeating it changes nothing.

        As after `rq requeue`, such a job has one attempt and is not part of a batch.
        """
        put = script(self.connection, "requeue")
        queued = put(
            keys=[registry_key(FailedJobRegistry, queue), jobqueue.queue_key(queue), jobqueue.queues_key()],
            args=[Job.redis_job_namespace_prefix, utcformat(clock.now()), *job_ids],
        )
        return [job_id.decode() for job_id in queued]

    def remove(self, jobs: Iterable[tuple[JobState, Mapping[str, Any] | None]], keep_seconds: int) -> list[str]:
        """Delete failed or waiting jobs that have not changed since they were read, and return the ids of deleted ones.

        Args:
            jobs: the jobs, each with the delivery record that the same script stores.
            keep_seconds: how long those records are kept.
        """
        take_out, listed = script(self.connection, "remove"), list(jobs)
        with self.redis.pipeline(transaction=False) as pipe:
            for job, record in listed:
                take_out(
                    keys=[
                        registry_key(FailedJobRegistry, job.queue),
                        jobqueue.queue_key(job.queue),
                        jobqueue.job_key(job.id),
                        Result.get_key(job.id),
                        keys.delivery(job.deployment, job.message_id),
                        keys.deliveries(job.deployment),
                        turns.own_queue(job.deployment),
                    ],
                    args=[
                        job.id,
                        job.status,
                        compact(record) if record else "",
                        keep_seconds,
                        job.message_id,
                        job.received_at,
                    ],
                    client=pipe,
                )
            done = pipe.execute()
        return [job.id for (job, _), one in zip(listed, done, strict=True) if one]

    def pause(self, queue: str, by: str) -> bool:
        """Stop our workers from taking further jobs of this queue; True if it was not paused before."""
        note = json.dumps({"by": by, "at": clock.now().timestamp()})
        return bool(self.redis.hsetnx(keys.MARKS, paused_mark(queue), note))

    def resume(self, queue: str) -> bool:
        """Let our workers continue with this queue; True if it was paused."""
        return bool(self.redis.hdel(keys.MARKS, paused_mark(queue)))

    def is_paused(self, queue: str) -> bool:
        return bool(self.redis.hexists(keys.MARKS, paused_mark(queue)))

    def give_back_if_paused(self, queue: str, job_id: str) -> bool:
        """Return a job that a worker has taken but not started to the head of its queue, if the queue is paused."""
        put = script(self.connection, "giveback")
        lists = [keys.MARKS, intermediate_key(queue), jobqueue.queue_key(queue)]
        return bool(put(keys=lists, args=[paused_mark(queue), job_id]))
