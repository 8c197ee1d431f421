"""The queues as operators see them: true, bounded, without secrets; and acts that cannot lose or double a job."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import structlog
import time_machine
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app.config.load import Config
from app.store.rq import jobqueue, plainjob
from app.store.rq.enqueue import enqueue
from app.store.rq.jobs import last_line
from app.store.rq.queues import Queues
from app.store.rq.queuestate import QueueState
from app.store.server.connection import connect
from tests.conftest import RedisServer
from tests.pipeline.deadletter import DELIVERIES, dead_letter, fail, job_key, swift, work_off, write_failed
from tests.pipeline.streams import config_for, resumes, spread, used
from tests.workers.make import NOTHING, accept, bring_back, jobs_in, put_poison
from workers.runner import worker

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _quiet(redis_server: RedisServer) -> Iterator[None]:
    # A failed batch logs its whole traceback, and that takes longer than the test.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield from swift(redis_server.url)
    structlog.reset_defaults()


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return config_for(redis_server.url)


@pytest.fixture
def queues(connection: "redis.Redis") -> Queues:
    return Queues(connection)


def state(queues: Queues, name: str = DELIVERIES) -> QueueState:
    return next(one for one in queues.overview() if one.name == name)


def commands(connection: "redis.Redis") -> int:
    return int(connection.info("stats")["total_commands_processed"])


# ---- overview ----


def test_queues_are_shown_also_before_anything_was_queued(queues: Queues) -> None:
    assert queues.overview() == [QueueState(name, 0, None, 0, 0, 0, 0, paused=False) for name in jobqueue.QUEUES]
    assert queues.workers() == []


def test_the_age_is_that_of_the_oldest_job_that_waits(connection: "redis.Redis", queues: Queues) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        accept(connection, resumes(1))
        clock.shift(timedelta(minutes=10))
        accept(connection, resumes(2, "22222222-1111-4111-8111-111111111111"))
        assert (state(queues).length, state(queues).oldest_age) == (3, 600)


def test_a_job_that_was_tried_waits_since_it_was_queued_again(
    connection: "redis.Redis", config: Config, queues: Queues
) -> None:
    with time_machine.travel(NOW) as clock:
        put_poison(connection)
        work_off(connection, config)
        assert (state(queues).length, state(queues).scheduled, state(queues).failed) == (0, 1, 0)
        clock.shift(timedelta(hours=1))
        bring_back(connection, config)
        age = state(queues).oldest_age
        assert age is not None
        assert age < 60


@pytest.mark.parametrize("field", ["", "soon", None])
def test_a_job_without_a_time_has_no_age(connection: Any, queues: Queues, field: str | None) -> None:
    accept(connection, resumes(1))
    (job_id,) = jobs_in(connection)["queued"]
    connection.hdel(job_key(job_id), "enqueued_at")
    if field is not None:
        connection.hset(job_key(job_id), "enqueued_at", field)
    assert (state(queues).length, state(queues).oldest_age) == (1, None)


def test_jobs_that_a_worker_has_count_as_started_in_a_batch_too(
    connection: "redis.Redis", config: Config, queues: Queues
) -> None:
    accept(connection, resumes(3))
    taken = worker(DELIVERIES, connection, config)
    job, queue = taken.dequeue_job_and_maintain_ttl(None)
    taken._take_more(queue)
    assert (state(queues).length, state(queues).started) == (0, 3)
    del job


def test_failed_jobs_that_have_expired_are_counted_no_more(connection: Any, queues: Queues) -> None:
    write_failed(connection, 3)
    connection.zadd("rq:failed:awb-deliveries", {"delivery-prod-m0": 1})
    assert state(queues).failed == 2


def test_looking_costs_the_same_whatever_has_failed(connection: Any, queues: Queues) -> None:
    def cost() -> int:
        before = commands(connection)
        queues.overview()
        queues.failed(DELIVERIES, 50)
        queues.workers()
        return commands(connection) - before

    write_failed(connection, 100)
    few = cost()
    write_failed(connection, 10_000)
    assert cost() == few
    assert len(queues.failed(DELIVERIES, 50)) == 50


# ---- workers ----


def test_a_worker_shows_its_state_and_its_job(connection: "redis.Redis", config: Config, queues: Queues) -> None:
    one = worker(jobqueue.MAINTENANCE, connection, config)
    one.register_birth()
    one.set_state("idle")
    enqueue(connection, plainjob.sweep_job(1))
    (idle,) = queues.workers()
    assert (idle.name, idle.queue, idle.state, idle.current_job) == (one.name, jobqueue.MAINTENANCE, "idle", None)
    assert idle.last_heartbeat
    job, _ = one.dequeue_job_and_maintain_ttl(None)
    one.prepare_execution(job)
    assert [(w.state, w.current_job) for w in queues.workers()] == [("busy", "sweep-1")]


@pytest.mark.parametrize(("seconds", "dead"), [(120, False), (59, False), (44, True), (1, True), (None, True)])
def test_a_worker_whose_heartbeat_is_older_than_it_may_be_is_dead(
    connection: Any, config: Config, queues: Queues, seconds: int | None, dead: bool
) -> None:
    one = worker(DELIVERIES, connection, config)
    one.register_birth()
    if seconds is None:
        connection.delete(one.key)
    else:
        connection.expire(one.key, seconds)
    (found,) = queues.workers()
    assert (found.state == "dead") is dead
    assert (found.last_heartbeat is None) is (seconds is None)


def test_a_worker_that_ended_is_not_shown(connection: "redis.Redis", config: Config, queues: Queues) -> None:
    work_off(connection, config)
    assert queues.workers() == []


# ---- failed jobs ----


def test_a_failed_job_tells_why_when_and_after_how_many_tries(
    connection: "redis.Redis", config: Config, queues: Queues
) -> None:
    job_id = dead_letter(connection, config)
    (job,) = queues.failed(DELIVERIES, 10)
    assert (job.id, job.status, job.attempts, job.queue) == (job_id, "failed", 4, DELIVERIES)
    assert job.reason == "AttributeError: 'str' object has no attribute 'get'"
    assert job.failed_at
    assert abs((job.failed_at - datetime.now(UTC)).total_seconds()) < 60
    assert (job.function, job.message_id, job.payload) == (jobqueue.CLASSIFY, "poison", "text")
    assert queues.requeue(DELIVERIES, [job_id]) == [job_id]
    work_off(connection, config)
    assert [one.attempts for one in queues.failed(DELIVERIES, 10)] == [5]


def test_the_latest_failure_comes_first_and_the_list_is_bounded(connection: Any, queues: Queues) -> None:
    write_failed(connection, 30)
    assert [job.message_id for job in queues.failed(DELIVERIES, 3)] == ["m29", "m28", "m27"]
    assert [job.message_id for job in queues.failed(DELIVERIES, 3, offset=28)] == ["m1", "m0"]


PLANTED = "planted-secret-text"


@pytest.mark.parametrize(
    "error",
    [
        f"requests.ConnectionError: https://user:{PLANTED}@coder.example.com/",
        f"ValueError: https://hooks.slack.com/services/T0/B0/{PLANTED}",
        f"KeyError: {{'one_time_passcode': '{PLANTED}'}}",
        f"RuntimeError: Authorization: Bearer {PLANTED}",
    ],
)
def test_no_secret_is_shown_of_an_exception(connection: Any, queues: Queues, error: str) -> None:
    write_failed(connection, 1, error=error)
    (job,) = queues.failed(DELIVERIES, 1)
    assert job.reason.startswith(error.partition(":")[0])
    assert PLANTED not in repr(job)


def test_a_configured_secret_is_not_shown_either(connection: Any) -> None:
    write_failed(connection, 1, error=f"ValueError: odd {PLANTED} odd")
    assert PLANTED in repr(Queues(connection).failed(DELIVERIES, 1))
    assert PLANTED not in repr(Queues(connection, lambda text: text.replace(PLANTED, "***")).failed(DELIVERIES, 1))


def test_what_others_put_into_a_payload_is_redacted(connection: Any, queues: Queues) -> None:
    payload = {
        "user_email": "ada@example.com",
        "labels": {"task": f"write {PLANTED} for me", "api_token": PLANTED, "workspace": "w1"},
        "actions": [{"url": f"https://coder.example.com/x?otp={PLANTED}"}],
        "data": {"parameters": [PLANTED]},
    }
    write_failed(connection, 1, payload=payload)
    (job,) = queues.failed(DELIVERIES, 1)
    assert PLANTED not in repr(job)
    assert "ada@" not in repr(job)
    assert job.payload["labels"]["workspace"] == "w1"


@pytest.mark.parametrize("data", [b"5", b"\x80\x04\x95", b"", b'["f"]', b"[1,2,3,4]", b'["f",null,5,{}]', b"[" * 9999])
def test_a_job_that_cannot_be_read_is_shown_without_its_payload(connection: Any, queues: Queues, data: bytes) -> None:
    write_failed(connection, 1)
    connection.hset(job_key("delivery-prod-m0"), "data", data)
    (job,) = queues.failed(DELIVERIES, 1)
    assert (job.payload, job.function, job.message_id) == (None, "", "")


def test_a_job_as_rq_itself_writes_it_is_read(connection: "redis.Redis", queues: Queues) -> None:
    made = Queue(DELIVERIES, connection=connection, serializer=JSONSerializer).enqueue("os.system", "true")
    job = queues.job(made.id)
    assert job
    assert (job.function, job.payload, job.status) == ("os.system", ["true"], "queued")


def test_jobs_of_other_programs_are_not_ours_to_show(connection: "redis.Redis", queues: Queues) -> None:
    made = Queue("theirs", connection=connection, serializer=JSONSerializer).enqueue("os.system", "true")
    assert queues.job(made.id) is None
    assert [one.name for one in queues.overview()] == list(jobqueue.QUEUES)


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        ('Traceback:\n  File "a.py", line 1, in f\n    g()\nKeyError: 1\n', "KeyError: 1"),
        ('Traceback:\n  File "a.py", line 1, in f\npydantic.ValidationError: 1 error\nx\n  bad\nsee docs\n',
         "pydantic.ValidationError: 1 error"),
        ('  File "a.py", line 1\nA: 1\n\nDuring handling:\n\n  File "b.py", line 2\nB: 2\n', "B: 2"),
        ("Refused: not a job of ours.", "Refused: not a job of ours."),
        ("", ""),
    ],
)  # fmt: skip
def test_the_line_that_names_the_exception_is_the_reason(trace: str, line: str) -> None:
    assert last_line(trace) == line


# ---- requeue ----


def test_a_requeued_job_is_done_and_leaves_nothing_behind(
    connection: "redis.Redis", config: Config, queues: Queues
) -> None:
    ids = fail(connection, config, resumes(3))
    assert sorted(queues.requeue(DELIVERIES, ids)) == sorted(ids)
    assert queues.requeue(DELIVERIES, ids) == []
    assert len(jobs_in(connection)["queued"]) == 3
    work_off(connection, config)
    assert used(connection) == 3
    assert jobs_in(connection) == NOTHING


def test_a_requeued_job_does_not_expire_while_it_waits(connection: Any, config: Config, queues: Queues) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    assert connection.ttl(job_key(job_id)) > 0
    queues.requeue(DELIVERIES, [job_id])
    assert connection.ttl(job_key(job_id)) == -1


def test_a_requeued_job_can_be_read_by_rq(connection: "redis.Redis", config: Config, queues: Queues) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    queues.requeue(DELIVERIES, [job_id])
    job = Job.fetch(job_id, connection=connection, serializer=JSONSerializer)
    assert (job.get_status(), job.started_at, job.worker_name) == ("queued", None, None)
    assert job.enqueued_at is not None


@pytest.mark.parametrize("status", ["queued", "started", "scheduled", None])
def test_a_job_that_others_took_up_anew_is_not_queued_twice(
    connection: Any, config: Config, queues: Queues, status: str | None
) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    connection.delete(job_key(job_id)) if status is None else connection.hset(job_key(job_id), "status", status)
    assert queues.failed(DELIVERIES, 10) == []
    assert queues.requeue(DELIVERIES, [job_id]) == []
    assert jobs_in(connection)["queued"] == []
    assert jobs_in(connection)["failed"] == []


def test_a_job_is_requeued_in_its_own_queue_only(connection: "redis.Redis", config: Config, queues: Queues) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    assert queues.requeue(jobqueue.MAINTENANCE, [job_id]) == []
    assert jobs_in(connection)["failed"] == [job_id]


def test_operators_and_workers_at_the_same_time_do_every_job_once(
    redis_server: RedisServer, connection: "redis.Redis", config: Config, queues: Queues
) -> None:
    ids = fail(connection, config, spread(30))
    together = threading.Barrier(3)
    queued: list[str] = []

    def operate() -> None:
        own = Queues(connect(redis_server.url))
        together.wait()
        for job_id in ids:
            queued.extend(own.requeue(DELIVERIES, [job_id]))

    operators = [threading.Thread(target=operate) for _ in range(2)]
    for thread in operators:
        thread.start()
    together.wait()
    done = work_off(connection, config)
    for thread in operators:
        thread.join()
    again = work_off(connection, config)
    assert sorted(queued) == sorted(ids)
    assert jobs_in(connection) == NOTHING
    assert used(connection) == 30
    assert sum(int(connection.hget(one.key, "successful_job_count") or 0) for one in (done, again)) == 30


# ---- delete ----


def delete(queues: Queues, job_id: str, record: dict[str, Any] | None = None) -> list[str]:
    job = queues.job(job_id)
    return queues.remove([(job, record)], 60) if job else []


def test_a_deleted_job_is_gone_with_all_that_rq_keeps_of_it(connection: Any, config: Config, queues: Queues) -> None:
    job_id = dead_letter(connection, config)
    assert delete(queues, job_id, {"message_id": "poison"}) == [job_id]
    assert delete(queues, job_id) == []
    assert jobs_in(connection) == NOTHING
    assert connection.keys("rq:results:*") == []
    assert json.loads(connection.get("awb:v1:prod:delivery:poison")) == {"message_id": "poison"}
    assert connection.zscore("awb:v1:prod:deliveries", "poison") == 1.0


def test_a_job_that_waits_can_be_deleted(connection: "redis.Redis", queues: Queues) -> None:
    accept(connection, resumes(2))
    first, second = jobs_in(connection)["queued"]
    assert delete(queues, first) == [first]
    assert jobs_in(connection)["queued"] == [second]


def test_a_job_that_a_worker_has_cannot_be_deleted(connection: "redis.Redis", config: Config, queues: Queues) -> None:
    accept(connection, resumes(1))
    (job_id,) = jobs_in(connection)["queued"]
    worker(DELIVERIES, connection, config).dequeue_job_and_maintain_ttl(None)
    assert delete(queues, job_id, {"message_id": "r0"}) == []
    assert jobs_in(connection)["intermediate"] == [job_id]
    assert not connection.exists("awb:v1:prod:delivery:11111111-r0")


def test_a_job_that_was_requeued_since_it_was_read_is_not_deleted(
    connection: "redis.Redis", config: Config, queues: Queues
) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    read = queues.job(job_id)
    assert read
    queues.requeue(DELIVERIES, [job_id])
    assert queues.remove([(read, None)], 60) == []
    assert jobs_in(connection)["queued"] == [job_id]


def test_a_job_that_was_queued_anew_since_it_was_read_is_not_deleted(
    connection: Any, config: Config, queues: Queues
) -> None:
    """A sweep queues a notification of the same id, and knows nothing of the registry of failed jobs."""
    (job_id,) = fail(connection, config, resumes(1))
    read = queues.job(job_id)
    assert read
    connection.hset(job_key(job_id), "status", "queued")
    connection.rpush(f"rq:queue:{DELIVERIES}", job_id)
    assert queues.remove([(read, None)], 60) == []
    assert (jobs_in(connection)["queued"], connection.exists(job_key(job_id))) == ([job_id], 1)


# ---- pause ----


def test_a_pause_says_who_and_when_and_ends_once(queues: Queues) -> None:
    with time_machine.travel(NOW, tick=False):
        assert queues.pause(DELIVERIES, "ada")
        assert not queues.pause(DELIVERIES, "zoë")
    found = state(queues)
    assert (found.paused, found.paused_by, found.paused_at) == (True, "ada", NOW)
    assert not state(queues, jobqueue.NOTIFICATIONS).paused
    assert (queues.resume(DELIVERIES), queues.resume(DELIVERIES)) == (True, False)
    assert not state(queues).paused


def test_a_suspension_of_all_workers_is_seen(connection: Any, queues: Queues) -> None:
    assert not queues.suspended()
    connection.set("rq:suspended", 1)
    assert queues.suspended()
