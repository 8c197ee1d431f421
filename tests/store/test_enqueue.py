"""Queueing by RQ: the same job is under way once, whoever queues it and whoever dies while doing so."""

import threading
from typing import Literal

import pytest
import redis
from rq.job import Job
from rq.serializers import JSONSerializer

from app.core.schema import VERSION
from app.store.rq import jobqueue, plainjob
from app.store.rq.enqueue import enqueue
from tests.conftest import RedisServer
from tests.pipeline.fragile import Fuse, fragile

JOB = plainjob.sweep_job(1)


def waiting(connection: "redis.Redis") -> list[str]:
    return list(jobqueue.queue(JOB.queue, connection).get_job_ids())


def take(connection: "redis.Redis") -> None:
    """Do away with a job as a worker that ends it does."""
    connection.delete(jobqueue.job_key(JOB.id), jobqueue.queue_key(JOB.queue))


@pytest.mark.parametrize("once", [False, True])
def test_of_many_that_queue_the_same_job_at_once_one_does(
    connection: "redis.Redis", redis_server: RedisServer, once: bool
) -> None:
    threads, rounds = 4, 25
    connections = [redis.Redis.from_url(redis_server.url) for _ in range(threads)]
    barrier = threading.Barrier(threads)
    queued: list[str] = []

    def work(connection: "redis.Redis") -> None:
        for number in range(rounds):
            job = plainjob.sweep_job(number)
            barrier.wait()
            if enqueue(connection, job, once=once):
                queued.append(job.id)

    running = [threading.Thread(target=work, args=(one,)) for one in connections]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert sorted(queued) == sorted(f"sweep-{number}" for number in range(rounds))
    assert sorted(waiting(connection)) == sorted(queued)
    for one in connections:
        one.close()


def test_a_job_that_is_queued_once_is_not_queued_when_it_has_ended(connection: "redis.Redis") -> None:
    assert enqueue(connection, JOB, once=True)
    take(connection)
    assert not enqueue(connection, JOB, once=True)
    assert enqueue(connection, JOB)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("once", [False, True])
def test_whoever_dies_while_it_queues_a_job_queued_it_whole_or_not_at_all(
    connection: "redis.Redis", redis_server: RedisServer, once: bool, where: Literal["before", "after"]
) -> None:
    fuse = Fuse()
    enqueue(fragile(redis_server.url, fuse), JOB, once=once)
    for at in range(1, fuse.sent + 1):
        connection.flushall()
        with pytest.raises(redis.exceptions.ConnectionError):
            enqueue(fragile(redis_server.url, Fuse(at, where)), JOB, once=once)
        left = waiting(connection)
        assert enqueue(connection, JOB, once=once) is not bool(left)
        assert waiting(connection) == [JOB.id]
        take(connection)
        assert enqueue(connection, JOB, once=once) is not once


def test_a_job_that_failed_is_queued_anew_with_nothing_of_the_old_one(connection: "redis.Redis") -> None:
    connection.hset(jobqueue.job_key(JOB.id), mapping={"status": "failed", "retries_left": 0, "ended_at": "then"})
    assert enqueue(connection, JOB)
    job = Job.fetch(JOB.id, connection=connection, serializer=JSONSerializer)
    assert (job.func_name, job.args, job.ended_at) == (jobqueue.SWEEP, [1], None)
    assert (job.retries_left, job.retry_intervals, job.timeout) == (3, [5, 60, 300], 180)
    assert (job.result_ttl, job.failure_ttl, job.meta) == (0, jobqueue.FAILURE_TTL, {"schema": VERSION})


def test_a_server_that_became_a_replica_is_an_error_and_no_endless_loop(connection: "redis.Redis") -> None:
    connection.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(redis.exceptions.ReadOnlyError):
            enqueue(connection, JOB)
    finally:
        connection.replicaof("NO", "ONE")
