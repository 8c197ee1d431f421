"""The scheduler: moves RQ's delayed retries back to their queues and queues the periodic jobs.

Of several, one is at work, by a lease; the others wait, and one of them takes over when that lease is not renewed.
"""

import os
import signal
import socket
import threading
from typing import Final
from uuid import uuid4

import redis
import structlog
from rq import scheduler as rqscheduler
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from app import clock
from app.config.load import Config
from app.pipeline import passes as coder
from app.pipeline.relay import work as relaying
from app.pipeline.watch import sweep
from app.store.rq import jobqueue, plainjob, turns
from app.store.rq.checkedjob import CheckedJob
from app.store.rq.enqueue import enqueue
from app.store.server.connection import unavailable
from app.store.server.lease import FencedError, Lease

log = structlog.get_logger(__name__)
# RQ's scheduler has no setting for the class, and one malformed job would block all jobs that are due.
setattr(rqscheduler, "Job", CheckedJob)  # noqa: B010 - a name that RQ does not export
#: Seconds between sweeps.
SWEEP_EVERY: Final = 60
#: Seconds between checks for due jobs, and between attempts while Redis is unavailable.
POLL_SECONDS: Final = 1.0


class Scheduler:
    """One scheduler process."""

    def __init__(self, connection: "redis.Redis", config: Config) -> None:
        self.redis = connection
        self.config = config
        self.stopped = threading.Event()
        # A constant name: with a new one it would wait for its own locks to expire after each outage of Redis.
        self.name = uuid4().hex
        self.lease = Lease(connection, f"{socket.gethostname().split('.')[0]}-{os.getpid()}-{self.name[:6]}")
        self.leading = False
        self.rq = self._rq()
        self.last_tick = self.last_pass = 0

    def run(self) -> None:
        """Run until a signal, and wait for Redis if it is unavailable."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopped.set())
        log.info("scheduler started")
        while not self.stopped.is_set():
            try:
                self.step_if_leading()
            except (redis.exceptions.RedisError, OSError) as error:
                log.warning("scheduler is waiting for Redis", why=unavailable(error))
                self.rq = self._rq()
            self.stopped.wait(POLL_SECONDS)
        self._release()
        log.info("scheduler stopped")

    def step_if_leading(self) -> None:
        """Work if this process has the lease, or gets it.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        if not self.lease.hold():
            self._give_way()
            return
        if not self.leading:
            self._take_over()
        try:
            self.step()
        except FencedError:
            self._give_way()

    def _take_over(self) -> None:
        """Begin to lead. RQ's locks of the last leader would expire a minute later than its lease."""
        for name in jobqueue.QUEUES:
            lock = RQScheduler.get_locking_key(name)
            if self.redis.get(lock) not in (None, self.name.encode()):
                self.redis.delete(lock)
        # This process may have led before, and have noted what another has done differently since.
        self.last_tick = self.last_pass = 0
        self.leading = True
        log.info("scheduler leads", holder=self.lease.holder)

    def _give_way(self) -> None:
        if self.leading:
            self.leading = False
            log.warning("another scheduler has taken over", holder=self.lease.present_holder())
            self.rq.stop()
            self.rq = self._rq()

    def use(self, config: Config) -> None:
        """Use another configuration from the next step on."""
        self.config = config

    def step(self) -> None:
        """Move due retries back, and queue the tick's jobs once."""
        if len(self.rq.acquired_locks) < len(jobqueue.QUEUES):
            # RQ itself checks only every ten minutes, but a dead scheduler's locks expire after one.
            self.rq.acquire_locks()
        if self.rq.last_heartbeat is None:
            self.rq.register_birth()
        self.rq.heartbeat()
        if self.rq.acquired_locks:
            self.rq.enqueue_scheduled_jobs()
        turns.fill(self.redis)
        self._queue_coder_jobs()
        relaying.enqueue_due(self.redis, self.config, self.lease.fence)
        tick = int(clock.now().timestamp()) // SWEEP_EVERY
        if tick != self.last_tick:
            sweep.recount_if_templates_changed(self.redis, self.config, self.lease.fence)
            enqueue(self.redis, plainjob.sweep_job(tick), once=True, fence=self.lease.fence)
            # Stored last, so that this tick is repeated after a failure.
            self.last_tick = tick

    def _queue_coder_jobs(self) -> None:
        """Queue verification and passes that are due: a pass at start, and then by the clock."""
        tick = int(clock.now().timestamp()) // (self.config.settings.reconcile_minutes * 60)
        due = None if tick == self.last_pass else tick
        coder.enqueue_due(self.redis, self.config, reconcile_tick=due, fence=self.lease.fence)
        self.last_pass = tick

    def _rq(self) -> RQScheduler:
        return RQScheduler(
            [jobqueue.queue(name, self.redis) for name in jobqueue.QUEUES],
            connection=self.redis,
            interval=1,
            serializer=JSONSerializer,
            logging_level="WARNING",
            name=self.name,
        )

    def _release(self) -> None:
        try:
            self.rq.stop()
            self.lease.release()
        except (redis.exceptions.RedisError, OSError):
            log.info("scheduler locks not released, they will expire")
