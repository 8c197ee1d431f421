"""One scheduler is at work, another waits and takes over, and one that was held up writes nothing any more."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine

from app.config.load import Config
from app.store import keys
from app.store.rq import jobqueue, plainjob
from app.store.rq.enqueue import enqueue
from app.store.server.lease import LEASE_SECONDS, FencedError, Lease
from tests.conftest import PATIENCE, RedisServer, wait_until
from tests.pipeline.streams import config_for
from tests.workers.make import awb, drain, jobs_in, put_poison
from workers.scheduler import Scheduler


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return config_for(redis_server.url)


def expire(connection: Any) -> None:
    """Let the lease run out as if nobody had renewed it."""
    assert 0 < connection.pttl(keys.LEASE) <= LEASE_SECONDS * 1000
    connection.delete(keys.LEASE)


def sweeps(connection: Any) -> int:
    queue = connection.lrange(jobqueue.queue_key(jobqueue.MAINTENANCE), 0, -1)
    return sum(job.startswith(b"sweep-") for job in queue)


def test_of_two_schedulers_one_works_and_the_other_waits(connection: "redis.Redis", config: Config) -> None:
    first, second = Scheduler(connection, config), Scheduler(connection, config)
    for _ in range(2):
        for scheduler in (first, second):
            scheduler.step_if_leading()
    assert (first.leading, second.leading) == (True, False)
    assert second.rq.acquired_locks == set()


def test_the_one_that_waits_takes_over_with_everything_when_the_lease_is_not_renewed(
    connection: "redis.Redis", config: Config
) -> None:
    dead, other = Scheduler(connection, config), Scheduler(connection, config)
    dead.step_if_leading()
    expire(connection)
    poison = put_poison(connection)
    drain(connection, config)
    assert jobs_in(connection)["scheduled"] == [poison]
    with time_machine.travel(timedelta(seconds=6)):
        other.step_if_leading()
    # RQ's own locks would have kept it waiting for another minute.
    assert other.rq.acquired_locks == set(jobqueue.QUEUES)
    assert jobs_in(connection)["queued"] == [poison]


def test_a_scheduler_that_was_held_up_gives_way(connection: "redis.Redis", config: Config) -> None:
    first, second = Scheduler(connection, config), Scheduler(connection, config)
    first.step_if_leading()
    expire(connection)
    second.step_if_leading()
    first.step_if_leading()
    assert (first.leading, second.leading) == (False, True)
    second.step_if_leading()
    assert second.rq.acquired_locks == set(jobqueue.QUEUES)


def test_a_scheduler_that_wakes_up_in_the_middle_of_its_work_queues_nothing(
    connection: "redis.Redis", config: Config
) -> None:
    with time_machine.travel(1_772_438_400.0, tick=False):
        late, other = Scheduler(connection, config), Scheduler(connection, config)
        assert late.lease.hold()
        expire(connection)
        other.step_if_leading()
        drain(connection, config, jobqueue.MAINTENANCE)
        # The tick's own mark is gone: nothing but the fence keeps the late one from queueing.
        connection.delete(*connection.keys(keys.once("*")))
        with pytest.raises(FencedError):
            late.step()
        assert sweeps(connection) == 0


def test_a_lease_that_changes_hands_between_look_and_write_stops_the_write(connection: "redis.Redis") -> None:
    late, other = Lease(connection, "late"), Lease(connection, "other")
    assert late.hold()
    fence = late.fence
    assert enqueue(connection, plainjob.sweep_job(1), fence=fence)
    expire(connection)
    assert other.hold()
    assert not late.hold()
    with pytest.raises(FencedError):
        enqueue(connection, plainjob.sweep_job(2), fence=fence)
    assert enqueue(connection, plainjob.sweep_job(3), fence=other.fence)
    assert sweeps(connection) == 2


def test_a_stopped_scheduler_hands_over_at_once(
    connection: "redis.Redis", redis_server: RedisServer, short_dir: Path
) -> None:
    both = [awb("scheduler", redis_url=redis_server.url, data_dir=short_dir / name) for name in ("one", "two")]
    try:
        wait_until(lambda: connection.get(keys.LEASE))
        holder = (connection.get(keys.LEASE) or b"").decode()
        (leader,) = [one for one in both if f"-{one.pid}-" in holder]
        (other,) = [one for one in both if one is not leader]
        leader.terminate()
        assert leader.wait(PATIENCE) == 0
        # Nobody waits for the lease to expire.
        assert connection.get(keys.LEASE) != holder.encode()
        wait_until(lambda: f"-{other.pid}-" in (connection.get(keys.LEASE) or b"").decode())
        assert connection.get(keys.LEASE_TOKEN) == b"2"
    finally:
        for one in both:
            one.kill()
            one.wait()
