"""A worker that respects the pause of its queue.

`rq suspend` does not suffice: it pauses all queues, and a waiting worker still takes one more job.
"""

import time
from typing import Any, Final

from rq.exceptions import StopRequested
from rq.job import Job
from rq.queue import Queue
from rq.worker import SimpleWorker, WorkerStatus

from app.store.rq.queues import Queues

_POLL_SECONDS: Final = 1.0


class PausableWorker(SimpleWorker):
    """A SimpleWorker of one queue that takes no jobs while the queue is paused, but finishes the current one."""

    def check_for_suspension(self, burst: bool) -> None:
        """Wait while the queue is paused, like RQ's wait for `rq resume`, with the state `suspended`.

        Raises:
            StopRequested: it is paused, and the worker should end when there is nothing to do.
        """
        super().check_for_suspension(burst)
        paused = False
        while not self._stop_requested and self._paused():
            if burst:
                raise StopRequested
            if not paused:
                paused = True
                self.set_state(WorkerStatus.SUSPENDED)
            self.heartbeat()
            time.sleep(_POLL_SECONDS)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> "tuple[Job, Queue] | None":
        """Take a job. If the queue was paused while the worker waited for it, the job is returned untouched.

        If the process dies before that, the job is in RQ's intermediate list, where the queue's next worker finds it.
        """
        while not self._stop_requested:
            taken: Any = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
            if taken is None or not Queues(self.connection).give_back_if_paused(taken[1].name, taken[0].id):
                return taken  # type: ignore[no-any-return]
            self.check_for_suspension(burst=timeout is None)
        return None

    def _paused(self) -> bool:
        queues = Queues(self.connection)
        return any(queues.is_paused(queue.name) for queue in self.queues)
