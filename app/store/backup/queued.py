"""Queued deliveries in a backup: they were answered 2xx, so nobody sends them again.

Other jobs are left out: the sweep and the scheduler queue those again.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from rq.job import JobStatus
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.results import Result

from app.store.backup.rawkeys import Row, key_rows, raw, text
from app.store.rq import jobqueue
from app.store.rq.jobs import read_call

JOB: Final = "job"
_WAITING, _FAILED = "waiting", "failed"
_AT_ONCE: Final = 200


def queued_rows(connection: Any) -> Iterator[Row]:
    """Yield waiting deliveries, oldest first, and those that failed for good, with their results."""
    queue = jobqueue.queue(jobqueue.DELIVERIES, connection)
    waiting: list[str] = [
        *StartedJobRegistry(queue=queue).get_job_ids(cleanup=False),
        *queue.intermediate_queue.get_job_ids(),
        *queue.get_job_ids(),
        *ScheduledJobRegistry(queue=queue).get_job_ids(cleanup=False),
    ]
    failed = {text(name): score for name, score in connection.zrange(_failed_key(), 0, -1, withscores=True)}
    yield from _rows(connection, list(dict.fromkeys(waiting)), _WAITING, {})
    yield from _rows(connection, list(failed), _FAILED, failed)


def _rows(connection: Any, ids: Sequence[str], place: str, scores: dict[str, float]) -> Iterator[Row]:
    for start in range(0, len(ids), _AT_ONCE):
        batch = ids[start : start + _AT_ONCE]
        with connection.pipeline(transaction=False) as pipe:
            for job_id in batch:
                pipe.hgetall(jobqueue.job_key(job_id))
            answers = pipe.execute()
        for job_id, fields in zip(batch, answers, strict=True):
            if read_call(fields.get(b"data", b""))[0] != jobqueue.CLASSIFY:
                continue
            yield [JOB, job_id, place, scores.get(job_id), {text(name): text(value) for name, value in fields.items()}]
            if place == _FAILED:
                yield from key_rows(connection, [Result.get_key(job_id)])


def put_queued(connection: Any, rows: Sequence[Row]) -> None:
    """Queue deliveries again. Existing jobs are left alone, so a repeated call queues nothing twice."""
    with connection.pipeline(transaction=False) as pipe:
        for row in rows:
            pipe.exists(jobqueue.job_key(row[1]))
        known = pipe.execute()
    for (_, job_id, place, score, fields), there in zip(rows, known, strict=True):
        if there:
            continue
        status = JobStatus.QUEUED if place == _WAITING else JobStatus.FAILED
        # Hash and list in one step: if the hash exists, the job is in its list.
        with connection.pipeline(transaction=True) as pipe:
            pipe.hset(
                jobqueue.job_key(job_id),
                mapping={**{raw(name): raw(value) for name, value in fields.items()}, b"status": status.value},
            )
            pipe.sadd(jobqueue.queues_key(), jobqueue.queue_key(jobqueue.DELIVERIES))
            if place == _WAITING:
                pipe.rpush(jobqueue.queue_key(jobqueue.DELIVERIES), job_id)
            else:
                pipe.zadd(_failed_key(), {job_id: score})
            pipe.execute()


def _failed_key() -> str:
    return str(FailedJobRegistry.key_template.format(jobqueue.DELIVERIES))
