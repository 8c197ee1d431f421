import os
import socket

import pytest
import redis
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from app.config.load import Config
from app.store.rq import jobqueue, plainjob
from app.store.rq.enqueue import enqueue
from workers.runner import adopt, worker

HOST = socket.gethostname().split(".")[0]
#: Beyond what Linux gives out.
NO_PROCESS = 2**22 + 1


def begin(connection: "redis.Redis", config: Config, worker_name: str) -> Job:
    """Let a worker of that name take a job up, and leave it there as a killed one does."""
    job = plainjob.sweep_job(1)
    enqueue(connection, job)
    dead = worker(jobqueue.MAINTENANCE, connection, config)
    dead.name = worker_name
    waiting = jobqueue.queue_key(job.queue)
    connection.lmove(waiting, waiting + ":intermediate")
    taken = Job.fetch(job.id, connection, serializer=JSONSerializer)
    dead.prepare_execution(taken)
    dead.prepare_job_execution(taken, remove_from_intermediate_queue=True)
    return taken


def status(job: Job) -> JobStatus:
    return job.get_status(refresh=True)


def test_a_job_that_a_dead_worker_of_this_machine_ran_is_taken_up_again(
    connection: "redis.Redis", config: Config
) -> None:
    job = begin(connection, config, f"{jobqueue.MAINTENANCE}-{HOST}-{NO_PROCESS}-abcdef")
    assert status(job) == JobStatus.STARTED
    adopt(worker(jobqueue.MAINTENANCE, connection, config))
    assert status(job) == JobStatus.SCHEDULED
    assert jobqueue.queue(jobqueue.MAINTENANCE, connection).started_job_registry.get_job_ids(cleanup=False) == []


def test_in_a_container_that_is_started_again_the_job_of_the_dead_worker_is_taken_up_at_once(
    connection: "redis.Redis", config: Config
) -> None:
    """The process id is the same then: 1, as a rule."""
    job = begin(connection, config, f"{jobqueue.MAINTENANCE}-{HOST}-{os.getpid()}-abcdef")
    adopt(worker(jobqueue.MAINTENANCE, connection, config))
    assert status(job) == JobStatus.SCHEDULED


def test_a_worker_that_registers_once_more_leaves_its_own_job_alone(connection: "redis.Redis", config: Config) -> None:
    again = worker(jobqueue.MAINTENANCE, connection, config)
    job = begin(connection, config, again.name)
    adopt(again)
    assert status(job) == JobStatus.STARTED


@pytest.mark.parametrize("name", [f"{HOST}-1-abcdef", f"another-machine-{NO_PROCESS}-abcdef", "odd"])
def test_a_job_whose_worker_may_be_alive_is_left_to_it(connection: "redis.Redis", config: Config, name: str) -> None:
    job = begin(connection, config, f"{jobqueue.MAINTENANCE}-{name}")
    adopt(worker(jobqueue.MAINTENANCE, connection, config))
    assert status(job) == JobStatus.STARTED
