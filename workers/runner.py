"""RQ workers: one queue each, no fork per job, and batches of deliveries.

Each process has one queue, because only then RQ's dequeue never loses a job. Our jobs are short and trusted code, so
they run in the worker's own process.
"""

import os
import secrets
from typing import Any, Final

import redis
import structlog
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.worker import SimpleWorker, WorkerStatus

from app import clock
from app.config.load import Config
from app.store import keys
from app.store.rq import jobqueue, readyjob, turns
from app.store.rq.checkedjob import CheckedJob
from app.store.rq.workers import this_host
from app.store.server.connection import pipelined, script
from app.store.server.info import server_info
from workers import jobs, runtime
from workers.embedded import alive
from workers.pausing import PausableWorker

log = structlog.get_logger(__name__)
#: The maximum number of jobs in a batch.
BATCH: Final = 200
# With RQ's defaults, an idle worker notices the jobs of a dead one only after many minutes.
_WORKER_TTL: Final = 60
_MAINTENANCE_SECONDS: Final = 30
# Where rq.utils.get_version caches its result.
_RQ_VERSION: Final = "__rq_redis_server_version"


class QuietWorker(PausableWorker):
    """A SimpleWorker that refuses functions other than ours, so that access to Redis does not allow running code."""

    #: RQ's default of a minute would delay the queue long after Redis is back.
    max_connection_wait_time = 2.0
    #: Whether it ends on a signal; False in a process that also does other work.
    handles_signals = True

    @property
    def asked_to_end(self) -> bool:
        """Whether a signal asked it to end."""
        return self._shutdown_requested_date is not None

    def _install_signal_handlers(self) -> None:
        if self.handles_signals:
            super()._install_signal_handlers()  # type: ignore[no-untyped-call]

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Send RQ's three commands of a heartbeat in one round trip: it is due before every job."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
            return
        with self.connection.pipeline(transaction=False) as pipe:
            super().heartbeat(timeout, pipe)
            pipe.execute()

    def execute_job(self, job: Job, queue: Queue) -> None:
        objection = _objection(job)
        if objection:
            log.error("job refused", job_id=job.id, why=objection)
            job.retries_left, job.origin = 0, queue.name
            self._bury(job, queue, f"Refused: not a job of the Coder AWB meter: {objection}.")
            IntermediateQueue(queue.key, self.connection).remove(job.id)
            return
        super().execute_job(job, queue)

    def _bury(self, job: Job, queue: Queue, why: str) -> None:
        """Record a job as failed; if its stored data prevents that, at least add it to the registry."""
        try:
            self.handle_job_failure(job, queue, exc_string=why)
        except redis.exceptions.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            self.connection.zadd(queue.failed_job_registry.key, {job.id: clock.now().timestamp()})

    def register_birth(self) -> None:
        """Register, then adopt: failures recorded for an unregistered worker would prevent its registration."""
        super().register_birth()  # type: ignore[no-untyped-call]
        adopt(self)

    def handle_job_failure(self, job: Job, queue: Queue, *args: Any, **kwargs: Any) -> None:
        """Record a failure like RQ, and verify that it was stored.

        If Redis does not store it, RQ only logs that. Its callers would then remove the job from the intermediate list,
        after which it would be in no list.

        Raises:
            RuntimeError: the failure was not stored; the job stays where it is.
        """
        super().handle_job_failure(job, queue, *args, **kwargs)
        # A job of ours is retried later or is failed, never queued at once; its status may be ahead of that.
        with self.connection.pipeline(transaction=False) as pipe:
            for registry in (queue.scheduled_job_registry, queue.failed_job_registry):
                pipe.zscore(registry.key, job.id)
            booked = any(score is not None for score in pipe.execute())
        if job.retry_intervals and not booked:
            # RQ has already written the status, with which its maintenance would consider the job finished.
            job.set_status(JobStatus.STARTED)
            raise RuntimeError(f"the failure of job {job.id} could not be written")


def _fetch(queue: Queue, job_id: str) -> Job | None:
    """Return a job from a queue's list, whatever queue it names itself; None if there is none."""
    try:
        return CheckedJob.fetch(job_id, connection=queue.connection, serializer=queue.serializer)
    except NoSuchJobError:
        return None


def _objection(job: Job) -> str:
    """Return why a job must not run; empty if it may. All our workers read jobs as CheckedJob."""
    return job.objection if isinstance(job, CheckedJob) else "it was not checked"


class DeliveryWorker(QuietWorker):
    """Takes the job that RQ dequeued together with those behind it, and counts them as one batch.

    They stay in RQ's intermediate list until they are done. If the process dies, RQ's maintenance finds them there and
    queues them again with one retry less. A job that has been tried before runs alone, managed fully by RQ, so that one
    bad job does not fail its neighbours a second time.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._take = script(self.connection, "take")
        self._finish = script(self.connection, "finish")

    def execute_job(self, job: Job, queue: Queue) -> None:
        if _objection(job) or job.retries_left != len(jobqueue.RETRY_INTERVALS) or job.func_name != jobqueue.CLASSIFY:
            super().execute_job(job, queue)
            return
        batch = [(job.id, list(job.args)), *self._take_more(queue)]
        try:
            with self.death_penalty_class(job.timeout, JobTimeoutException, job_id=job.id):
                jobs.classify_deliveries([args for _, args in batch])
        except Exception:
            log.warning("batch failed, trying its jobs one by one", jobs=len(batch), exc_info=True)
            for job_id, _ in batch:
                single = _fetch(queue, job_id)
                if single is not None:
                    super().execute_job(single, queue)
            return
        self._finish(
            keys=[queue.intermediate_queue_key, self.key],
            args=[Job.redis_job_namespace_prefix, *(job_id for job_id, _ in batch)],
        )

    def _take_more(self, queue: Queue) -> list[tuple[str, list[Any]]]:
        """Become busy and take the jobs behind the first one, in one round trip."""
        names = (queue.key, queue.intermediate_queue_key, keys.TURNS)
        args = turns.take_args(BATCH - 1)

        def fill(pipe: Any) -> None:
            # RQ lets a busy worker finish before it handles SIGTERM; it interrupts any other worker immediately.
            self.set_state(WorkerStatus.BUSY, pipe)
            pipe.evalsha(self._take.sha, len(names), *names, *args)

        _, taken = pipelined(self.connection, fill, self._take)
        batch = []
        for job_id, data in taken:
            try:
                batch.append((job_id.decode(), readyjob.read_args(data)))
            except (ValueError, TypeError, RecursionError):
                # Not written by us: RQ's own path reads it like any RQ worker, or records it as failed.
                self._give_back(queue, job_id.decode())
        return batch

    def _give_back(self, queue: Queue, job_id: str) -> None:
        single = _fetch(queue, job_id)
        if single is not None:
            super().execute_job(single, queue)


def worker(queue_name: str, connection: "redis.Redis", config: Config | None = None) -> QuietWorker:
    """Build the worker of one queue. When it starts, it adopts jobs that a dead worker of this queue left."""
    runtime.use(connection, config)
    queue = jobqueue.queue(queue_name, connection)
    queue.job_class = CheckedJob
    kind = DeliveryWorker if queue_name == jobqueue.DELIVERIES else QuietWorker
    built = kind(
        [queue],
        connection=connection,
        job_class=CheckedJob,
        # In a restarted container, host and process id are reused while RQ still lists the dead worker.
        name=f"{queue_name}-{this_host()}-{os.getpid()}-{secrets.token_hex(3)}",
        serializer=JSONSerializer,
        worker_ttl=_WORKER_TTL,
        maintenance_interval=_MAINTENANCE_SECONDS,
        log_job_description=False,
    )
    _set_server_version(connection)
    return built


def _set_server_version(connection: "redis.Redis") -> None:
    """Set the server's version for RQ if RQ may not read it: without it RQ does not use BLMOVE, and may lose jobs."""
    facts = server_info(connection).facts
    version = [int(part) for part in str(facts["redis_version"]).split(".")[:3] if part.isdecimal()]
    setattr(connection, _RQ_VERSION, tuple(version + [0] * (3 - len(version))))


def adopt(new: SimpleWorker) -> None:
    """Queue again what a dead worker left in the intermediate list, without RQ's delay of a minute.

    A live worker's jobs may be among them; they then run twice, which is safe. Jobs that a worker of this machine was
    running when it died are included; RQ would wait until their time-out.
    """
    for queue in new.queues:
        registry = queue.started_job_registry
        for job_id, execution_id in registry.get_job_and_execution_ids(cleanup=False):
            job = _fetch(queue, job_id)
            if job is not None and _is_dead(job.worker_name or "", new.name, queue.name):
                # In this order, because a job that is in no list would be lost, but one in two lists is harmless.
                new.handle_job_failure(job, queue, exc_string="The worker died while it ran this job.")
                queue.connection.zrem(registry.key, f"{job_id}:{execution_id}")
        intermediate = IntermediateQueue(queue.key, queue.connection)
        running = set(queue.started_job_registry.get_job_ids(cleanup=False))
        for job_id in intermediate.get_job_ids():
            if job_id in running:
                continue
            job = _fetch(queue, job_id)
            if job is not None:
                new.handle_job_failure(job, queue, exc_string="The worker died while it held this job.")
            intermediate.remove(job_id)


def _is_dead(worker_name: str, own_name: str, queue_name: str) -> bool:
    """Return whether this is our own worker on this machine and its process has ended; False if unknown."""
    here = f"{queue_name}-{this_host()}-"
    pid = worker_name.removeprefix(here).partition("-")[0]
    if not worker_name.startswith(here) or not pid.isdecimal():
        return False
    # In a restarted container, this process may have the id of the dead one.
    return not alive(int(pid)) or (int(pid) == os.getpid() and worker_name != own_name)
