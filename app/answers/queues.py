"""Answers about the queues, their workers and jobs, and about the quarantine."""

from typing import Self

from pydantic import Field

from app.answers.shape import Answer, Blank, Moment, Sent
from app.pipeline.operate.quarantine import BodyView
from app.store.rq import jobqueue
from app.store.rq.queues import Queues as Overseen
from app.store.rq.queuestate import QueueState


class Queue(Answer):
    name: str
    length: int
    oldest_age_seconds: float | None
    started: int
    scheduled: int
    deferred: int
    failed: int
    paused: bool
    paused_by: Blank
    paused_at: Moment | None

    @classmethod
    def of(cls, queue: QueueState) -> Self:
        return cls(
            name=queue.name,
            length=queue.length,
            oldest_age_seconds=None if queue.oldest_age is None else round(queue.oldest_age, 1),
            started=queue.started,
            scheduled=queue.scheduled,
            deferred=queue.deferred,
            failed=queue.failed,
            paused=queue.paused,
            paused_by=queue.paused_by,
            paused_at=queue.paused_at,
        )


class Worker(Answer):
    name: str
    queue: str
    state: str
    last_heartbeat: Moment | None
    current_job: str | None


class FailedJob(Answer):
    id: str
    queue: str
    status: str
    function: Blank
    description: str
    attempts: int
    reason: str
    failed_at: Moment | None
    enqueued_at: Moment | None
    deployment: Blank
    message_id: Blank
    payload: Sent


class Queues(Answer):
    """Queues, workers and the latest failed jobs."""

    suspended: bool = Field(description="`rq suspend` holds all workers.")
    queues: list[Queue]
    workers: list[Worker]
    failed_jobs: list[FailedJob] = Field(description="The latest 20 of each queue.")

    @classmethod
    def of(cls, found: Overseen, *, failed: int) -> Self:
        """Return the current state, with at most that many failed jobs for each queue."""
        workers, queues = found.workers_and_queues()
        return cls(
            suspended=found.suspended(),
            queues=[Queue.of(one) for one in queues],
            workers=[Worker.pick(one) for one in workers],
            failed_jobs=[FailedJob.pick(job) for name in jobqueue.QUEUES for job in found.failed(name, failed)],
        )


class Queued(Answer):
    queued: str = Field(description="Id of the job or the notification that was queued.")


class Quarantined(Answer):
    """A quarantined body, redacted."""

    message_id: str
    received_at: Moment
    bytes: int
    reason: str
    releasable: bool
    problem: Blank
    content: Sent
    note: Blank

    @classmethod
    def of(cls, shown: BodyView) -> Self:
        return cls(
            message_id=shown.body.message_id,
            received_at=shown.body.received_at,
            bytes=shown.body.size,
            reason=shown.body.reason,
            releasable=not shown.problem,
            problem=shown.problem,
            content=shown.content,
            note=shown.note,
        )
