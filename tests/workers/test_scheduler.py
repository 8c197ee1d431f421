"""The scheduler: due retries come back, a tick's work is done once, and another takes over from a dead one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine

from app.config.load import Config
from app.store import keys
from app.store.rq import jobqueue
from tests.conftest import PATIENCE, RedisServer, wait_until
from tests.pipeline.streams import config_for, outbox, resumes
from tests.workers.make import accept, awb, drain, jobs_in, put_poison
from workers.scheduler import SWEEP_EVERY, Scheduler

_MAINTENANCE = jobqueue.queue_key(jobqueue.MAINTENANCE)


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return config_for(redis_server.url)


def queued(connection: Any) -> list[str]:
    return [item.decode() for item in connection.lrange(_MAINTENANCE, 0, -1)]


def test_two_schedulers_queue_the_sweep_of_a_tick_once(connection: "redis.Redis", config: Config) -> None:
    with time_machine.travel(1_772_438_400.0, tick=False) as clock:
        both = [Scheduler(connection, config) for _ in range(2)]
        for tick in range(3):
            for scheduler in both * 2:
                scheduler.step()
            sweeps = [job for job in queued(connection) if job.startswith("sweep-")]
            assert sweeps == [f"sweep-{1_772_438_400 // SWEEP_EVERY + tick}"]
            drain(connection, config, jobqueue.MAINTENANCE)
            clock.shift(timedelta(seconds=SWEEP_EVERY))


def test_a_scheduler_that_is_late_does_not_queue_a_sweep_that_is_already_done(
    connection: "redis.Redis", config: Config
) -> None:
    with time_machine.travel(1_772_438_400.0, tick=False):
        Scheduler(connection, config).step()
        drain(connection, config, jobqueue.MAINTENANCE)
        Scheduler(connection, config).step()
        assert queued(connection) == []


def test_a_sweep_job_sweeps(connection: "redis.Redis", config: Config) -> None:
    Scheduler(connection, config).step()
    drain(connection, config, jobqueue.MAINTENANCE)
    assert connection.hget(keys.MARKS, "last_sweep_at")


def test_the_first_step_after_a_changed_template_list_leads_to_a_recount(
    connection: "redis.Redis", redis_server: RedisServer
) -> None:
    for listed in ("one", "two"):
        config = config_for(redis_server.url, ai_templates=listed)
        Scheduler(connection, config).step()
        assert [job for job in queued(connection) if job.startswith("recount-")]
        drain(connection, config, jobqueue.MAINTENANCE)
        Scheduler(connection, config).step()
        assert [job for job in queued(connection) if job.startswith("recount-")] == []


def _due_retry(connection: "redis.Redis", config: Config) -> str:
    poison = put_poison(connection)
    drain(connection, config)
    assert jobs_in(connection)["scheduled"] == [poison]
    return poison


def test_when_a_scheduler_is_killed_another_brings_retries_back_once_its_locks_expire(
    connection: "redis.Redis", redis_server: RedisServer, config: Config
) -> None:
    first = awb("scheduler", redis_url=redis_server.url)
    wait_until(lambda: len(list(connection.scan_iter(match="rq:scheduler-lock:*"))) == len(jobqueue.QUEUES))
    first.kill()
    first.wait()
    other = Scheduler(connection, config)
    other.step()
    assert other.rq.acquired_locks == set()
    for lock in connection.scan_iter(match="rq:scheduler-lock:*"):
        assert 0 < connection.ttl(lock) <= 61
        connection.pexpire(lock, 1)
    poison = _due_retry(connection, config)
    with time_machine.travel(timedelta(seconds=6)):
        wait_until(lambda: not list(connection.scan_iter(match="rq:scheduler-lock:*")))
        other.step()
    assert other.rq.acquired_locks == set(jobqueue.QUEUES)
    assert jobs_in(connection)["queued"] == [poison]


def test_a_scheduler_that_is_stopped_gives_its_locks_back(connection: "redis.Redis", redis_server: RedisServer) -> None:
    first = awb("scheduler", redis_url=redis_server.url)
    wait_until(lambda: len(list(connection.scan_iter(match="rq:scheduler-lock:*"))) == len(jobqueue.QUEUES))
    first.terminate()
    assert first.wait(PATIENCE) == 0
    assert list(connection.scan_iter(match="rq:scheduler-lock:*")) == []


def test_a_scheduler_rides_out_an_absent_redis_and_keeps_its_locks(short_dir: Any) -> None:
    from app.store.server.connection import connect  # noqa: PLC0415 - beside its only use

    server = RedisServer(short_dir)
    server.start()
    connection, config = connect(server.url), config_for(server.url)
    log = short_dir / "scheduler.log"
    scheduler = awb("scheduler", redis_url=server.url, log=log, log_level="warning")

    def holders() -> set[Any]:
        return {connection.get(lock) for lock in connection.scan_iter(match="rq:scheduler-lock:*")}

    try:
        wait_until(lambda: len(list(connection.scan_iter(match="rq:scheduler-lock:*"))) == len(jobqueue.QUEUES))
        held = holders()
        server.kill()
        wait_until(_away(connection))
        wait_until(lambda: "scheduler is waiting for Redis" in log.read_text(encoding="utf-8"))
        server.start()
        poison = _due_retry(connection, config)
        # It is due now instead of in five seconds.
        connection.zadd(jobqueue.queue(jobqueue.DELIVERIES, connection).scheduled_job_registry.key, {poison: 1})
        accept(connection, resumes(1))
        wait_until(lambda: jobs_in(connection)["scheduled"] == [])
        assert scheduler.poll() is None
        assert holders() == held
        assert outbox(connection) == []
    finally:
        scheduler.kill()
        scheduler.wait()
        server.stop()


def _away(connection: "redis.Redis") -> Callable[[], bool]:
    def away() -> bool:
        try:
            connection.ping()
        except redis.exceptions.RedisError:
            return True
        return False

    return away
