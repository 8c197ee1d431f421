"""The queues and the quarantine as plain JSON values, for the API and the command line."""

from datetime import datetime
from typing import Any

from app.pipeline.operate.quarantine import Shown
from app.store.rq import jobqueue
from app.store.rq.jobs import JobState
from app.store.rq.queues import Queues, QueueState
from app.store.rq.workers import WorkerState


def queues_answer(queues: Queues, *, failed: int) -> dict[str, Any]:
    """Return queues, workers and the latest failed jobs, at most so many of each queue."""
    return {
        "suspended": queues.suspended(),
        "queues": [queue_answer(one) for one in queues.overview()],
        "workers": [_worker(one) for one in queues.workers()],
        "failed_jobs": [job_answer(job) for name in jobqueue.QUEUES for job in queues.failed(name, failed)],
    }


def queue_answer(queue: QueueState) -> dict[str, Any]:
    return {
        "name": queue.name,
        "length": queue.length,
        "oldest_age_seconds": None if queue.oldest_age is None else round(queue.oldest_age, 1),
        "started": queue.started,
        "scheduled": queue.scheduled,
        "deferred": queue.deferred,
        "failed": queue.failed,
        "paused": queue.paused,
        "paused_by": queue.paused_by or None,
        "paused_at": _time(queue.paused_at),
    }


def job_answer(job: JobState) -> dict[str, Any]:
    return {
        "id": job.id,
        "queue": job.queue,
        "status": job.status,
        "function": job.function or None,
        "description": job.description,
        "attempts": job.attempts,
        "reason": job.reason,
        "failed_at": _time(job.failed_at),
        "enqueued_at": _time(job.enqueued_at),
        "deployment": job.deployment or None,
        "message_id": job.message_id or None,
        "payload": job.payload,
    }


def quarantined_answer(shown: Shown) -> dict[str, Any]:
    """Return a quarantined body, redacted."""
    return {
        "message_id": shown.body.message_id,
        "received_at": _time(shown.body.received_at),
        "bytes": shown.body.size,
        "reason": shown.body.reason,
        "releasable": not shown.problem,
        "problem": shown.problem or None,
        "content": shown.content,
        "note": shown.note or None,
    }


def _worker(worker: WorkerState) -> dict[str, Any]:
    return {
        "name": worker.name,
        "queue": worker.queue,
        "state": worker.state,
        "last_heartbeat": _time(worker.last_heartbeat),
        "current_job": worker.current_job,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
