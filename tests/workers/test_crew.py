"""`awb worker` for several queues, as it runs in a container."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.store.rq import jobqueue
from app.store.rq.workers import WorkerState, read_workers
from app.store.server.connection import connect
from tests.conftest import PATIENCE, RedisServer, make_config, wait_until
from tests.pipeline.streams import resumes
from tests.workers.make import NOTHING, accept, awb, jobs_in
from workers.parts import workers_of

PAIR = (jobqueue.DELIVERIES, jobqueue.NOTIFICATIONS)


@pytest.fixture
def crew(connection: "redis.Redis", redis_server: RedisServer) -> Iterator[Any]:
    process = awb("worker", *PAIR, redis_url=redis_server.url)
    wait_until(lambda: served(connection) == set(PAIR))
    yield process
    process.kill()
    process.wait()


def alive(connection: "redis.Redis") -> list[WorkerState]:
    return [worker for worker in read_workers(connection) if worker.state != "dead"]


def served(connection: "redis.Redis") -> set[str]:
    return {worker.queue for worker in alive(connection)}


def pid_of(worker: WorkerState) -> int:
    return int(worker.name.rsplit("-", 2)[1])


def test_each_queue_has_a_process_which_is_started_again_and_all_end_at_sigterm(
    connection: "redis.Redis", crew: Any
) -> None:
    before = {worker.queue: pid_of(worker) for worker in alive(connection)}
    assert len({*before.values(), crew.pid}) == len(PAIR) + 1
    os.kill(before[jobqueue.DELIVERIES], signal.SIGKILL)
    wait_until(lambda: {pid_of(worker) for worker in alive(connection)} - {*before.values()})
    accept(connection, resumes(3))
    wait_until(lambda: jobs_in(connection) == NOTHING)
    crew.terminate()
    assert crew.wait(PATIENCE) == 0
    # The one that was killed could not sign off.
    assert {pid_of(worker) for worker in alive(connection)} <= {before[jobqueue.DELIVERIES]}


def test_a_worker_that_is_stopped_after_redis_ends_as_it_was_asked_to(short_dir: Path) -> None:
    """Engines that stop a project's containers side by side may stop Redis first."""
    server = RedisServer(short_dir)
    server.start()
    process = awb("worker", jobqueue.DELIVERIES, redis_url=server.url, log=short_dir / "log")
    with connect(server.url) as connection:
        wait_until(lambda: served(connection))
    server.kill()
    process.terminate()
    assert process.wait(PATIENCE) == 0, (short_dir / "log").read_text()


def queues_of(*queues: str, **settings: Any) -> list[str]:
    return [child.command[1] for child in workers_of(make_config(**settings).settings, queues)]


def test_without_a_queue_there_is_a_worker_for_all_that_the_configuration_needs() -> None:
    forwards = '[{"name":"a","url":"https://a.example.com"},{"name":"b","url":"https://b.example.com"}]'
    mail = {"relay": "email", "smtp_url": "smtps://mail.example.com", "email_from": "a@example.com"}
    assert queues_of() == list(jobqueue.CORE)
    assert queues_of(**mail) == [*jobqueue.CORE, jobqueue.PASSCODES, jobqueue.RELAY]
    assert queues_of(forward=forwards) == [*jobqueue.CORE, *[jobqueue.FORWARD] * 2]


def test_a_queue_that_is_named_has_a_worker_whatever_is_configured() -> None:
    assert queues_of(jobqueue.RELAY, jobqueue.FORWARD) == [jobqueue.RELAY, jobqueue.FORWARD]
    assert queues_of(*PAIR, jobqueue.DELIVERIES) == list(PAIR)
