"""Operators' actions on queues, each recorded in the audit trail.

The entry is written before the action: if the process dies in between, the trail contains more than was done, never
less. If another operator or a worker was faster, nothing is left to do, and the result says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import redis

from app import clock
from app.config.load import Config
from app.config.secrettexts import secret_texts
from app.core.count.delivery import to_event
from app.core.count.rules import Outcome
from app.logs import Redaction
from app.store.audit import Audit
from app.store.rq.jobs import FAILED, JobState
from app.store.rq.queues import Queues

Progress = Callable[[int, int], None]
#: Jobs moved by one script call, during which Redis serves no other clients.
_AT_ONCE: Final = 200
#: What may be deleted: failed and waiting jobs, but not those that a worker has or that RQ will retry.
DELETABLE: Final = FAILED | {"queued"}


class Operator:
    """A person who acts on the queues.

    Args:
        connection: Redis.
        config: the configuration; actions are recorded in the trail of its deployment, whatever deployment the jobs
            belong to.
        by: the person.
    """

    def __init__(self, connection: "redis.Redis", config: Config, by: str) -> None:
        self.by = by
        self.queues = queues_of(connection, config)
        self._keep = timedelta(days=config.settings.keep_days)
        self._audit = Audit(connection, config.settings.deployment)

    def requeue(self, job_ids: Sequence[str]) -> list[str]:
        """Queue these failed jobs again, and return the ids of those that were queued, in order."""
        done: list[str] = []
        for job in self._failed(job_ids):
            self._note("requeue job", job.id)
            done += self.queues.requeue(job.queue, [job.id])
        return done

    def requeue_all(self, queue: str, progress: Progress | None = None) -> int:
        """Queue all jobs again that have failed so far, and return their number."""
        return self._all("requeue all failed jobs", queue, lambda ids: len(self.queues.requeue(queue, ids)), progress)

    def delete(self, job_ids: Sequence[str]) -> list[str]:
        """Delete these failed or waiting jobs; the record of a delivery stays and says who did it."""
        done: list[str] = []
        for job in self.queues.jobs(job_ids):
            if job.status not in DELETABLE:
                continue
            self._note("delete job", job.id)
            done += self._remove([job])
        return done

    def delete_all(self, queue: str, progress: Progress | None = None) -> int:
        """Delete all jobs that have failed so far, and return their number."""
        return self._all("delete all failed jobs", queue, lambda ids: self._delete_failed(queue, ids), progress)

    def pause(self, queue: str) -> bool:
        """Pause a queue: jobs that arrive wait in it. True if it was not paused before."""
        self._note("pause queue", queue)
        return self.queues.pause(queue, self.by)

    def resume(self, queue: str) -> bool:
        """Resume a queue; True if it was paused."""
        self._note("resume queue", queue)
        return self.queues.resume(queue)

    def _note(self, action: str, detail: str) -> None:
        self._audit.write(self.by, action, detail)

    def _failed(self, job_ids: Sequence[str]) -> list[JobState]:
        return [job for job in self.queues.jobs(job_ids) if job.status in FAILED]

    def _all(self, action: str, queue: str, act: Callable[[list[str]], int], progress: Progress | None) -> int:
        """Act on all jobs that have failed so far; those that fail again meanwhile are left."""
        total = self.queues.failed_count(queue)
        if not total:
            return 0
        self._note(action, f"{queue}: {total}")
        done = 0
        for seen, ids in self._portions(queue, total):
            done += act(ids)
            if progress:
                progress(seen, total)
        return done

    def _portions(self, queue: str, total: int) -> Iterator[tuple[int, list[str]]]:
        seen = 0
        while seen < total:
            # Each batch leaves the registry, so the next one is at its start.
            ids = self.queues.failed_ids(queue, min(_AT_ONCE, total - seen))
            if not ids:
                return
            seen += len(ids)
            yield seen, ids

    def _delete_failed(self, queue: str, ids: list[str]) -> int:
        jobs = self._failed(ids)
        deleted = self._remove(jobs)
        # Entries without a failed job, which has expired or was queued again elsewhere.
        self.queues.forget_failed(queue, sorted(set(ids) - {job.id for job in jobs}))
        return len(deleted)

    def _remove(self, jobs: Sequence[JobState]) -> list[str]:
        known = self.queues.records(jobs)
        marked = [
            (job, self._marked(job, one) if job.message_id else None) for job, one in zip(jobs, known, strict=True)
        ]
        return self.queues.remove(marked, int(self._keep.total_seconds()))

    def _marked(self, job: JobState, known: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the record of a delivery whose job is deleted: the known one, plus who deleted it."""
        return {**(known or _unclassified(job)), "deleted": {"by": self.by, "at": clock.now().timestamp()}}


def queues_of(connection: "redis.Redis", config: Config) -> Queues:
    """Return the queues, with every configured secret removed from what they show."""
    return Queues(connection, Redaction(secret_texts(config.settings)).text)


def _unclassified(job: JobState) -> dict[str, Any]:
    record: dict[str, Any] = {
        "message_id": job.message_id,
        "received_at": job.received_at,
        "template": "",
        "verdict": {
            "outcome": Outcome.UNKNOWN.value,
            "evidence": None,
            "rule": "",
            "reason": "An operator deleted its job before it was classified.",
            "hint": f"To classify it after all: awb replay {job.message_id}",
        },
        "workspace_id": "",
        "workspace": "",
        "owner": "",
    }
    if not isinstance(job.payload, Mapping):
        return record
    event = to_event(job.deployment, job.message_id, job.received_at, job.payload)
    named = {"workspace_id": event.workspace_id, "workspace": event.workspace, "owner": event.owner}
    return {**record, **named, "template": event.name or event.template_id, "payload": job.payload}
