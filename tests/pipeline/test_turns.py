"""No deployment's deliveries wait behind all of another's, and none is lost on the way through the queues."""

import redis
from rq.registry import FailedJobRegistry

from app.config.load import Config
from app.core.count.delivery import read_delivery
from app.core.count.meter import AWB
from app.pipeline.operate.queues import Operator
from app.store import keys
from app.store.receive.deployments import Deployments
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue, readyjob, turns
from app.store.rq.queues import Queues
from tests.pipeline.streams import STARTED_AT
from tests.web.make import notification
from tests.workers.make import NOTHING, jobs_in
from workers.runner import BATCH, worker

FLOOD = 2000


def post(connection: "redis.Redis", deployment: str, numbers: range) -> None:
    inbox = Inbox(connection, deployment)
    for number in numbers:
        message, at = f"m{number}", STARTED_AT + number
        payload = read_delivery(notification(message, number)).payload
        assert inbox.accept(readyjob.delivery_job(deployment, message, at, payload), message, at)


def counted(connection: "redis.Redis", deployment: str) -> int:
    return int(connection.zcard(keys.records(deployment, AWB)))


def work(connection: "redis.Redis", config: Config, batches: int | None = None) -> None:
    worker(jobqueue.DELIVERIES, connection, config).work(burst=True, logging_level="CRITICAL", max_jobs=batches)


def test_a_delivery_does_not_wait_for_the_flood_of_another_deployment(
    connection: "redis.Redis", config: Config
) -> None:
    post(connection, "noisy", range(FLOOD))
    post(connection, "loud", range(FLOOD))
    post(connection, "quiet", range(3))
    # What is in the queue itself, and the batch in which its turn comes.
    work(connection, config, turns.MOST_QUEUED // BATCH + 1)
    assert counted(connection, "quiet") == 3
    assert counted(connection, "noisy") + counted(connection, "loud") < 4 * BATCH


def test_what_waits_for_its_turn_is_counted_once_and_leaves_nothing(connection: "redis.Redis", config: Config) -> None:
    post(connection, "noisy", range(FLOOD))
    post(connection, "quiet", range(10))
    post(connection, "noisy", range(FLOOD, FLOOD + 10))
    assert connection.llen(jobqueue.queue_key(jobqueue.DELIVERIES)) == turns.MOST_QUEUED
    work(connection, config)
    assert (counted(connection, "noisy"), counted(connection, "quiet")) == (FLOOD + 10, 10)
    assert jobs_in(connection) == NOTHING
    assert not connection.exists(keys.TURNS, turns.own_queue("noisy"), turns.own_queue("quiet"))


def test_the_length_and_the_age_of_the_queue_include_what_waits_for_its_turn(connection: "redis.Redis") -> None:
    post(connection, "noisy", range(FLOOD))
    state = next(queue for queue in Queues(connection).overview() if queue.name == jobqueue.DELIVERIES)
    assert state.length == FLOOD
    assert state.oldest_age is not None


def test_the_scheduler_fills_the_queue_where_no_worker_of_ours_does(connection: "redis.Redis", config: Config) -> None:
    post(connection, "noisy", range(turns.MOST_QUEUED + 30))
    of = jobqueue.queue(jobqueue.DELIVERIES, connection)
    connection.ltrim(of.key, 0, 9)
    turns.fill(connection)
    assert of.count == 40
    turns.fill(connection)
    assert of.count == 40


def test_removing_a_deployment_removes_what_waits_for_its_turn(connection: "redis.Redis", config: Config) -> None:
    post(connection, "noisy", range(turns.MOST_QUEUED + 5))
    post(connection, "gone", range(50))
    assert Deployments(connection).kinds("gone")["job"] == 50
    Deployments(connection).remove("gone")
    assert not connection.exists(turns.own_queue("gone"))
    work(connection, config)
    assert (counted(connection, "gone"), counted(connection, "noisy")) == (0, turns.MOST_QUEUED + 5)
    assert FailedJobRegistry(queue=jobqueue.queue(jobqueue.DELIVERIES, connection)).count == 0
    assert jobs_in(connection) == NOTHING


def test_a_job_that_waits_for_its_turn_can_be_deleted(connection: "redis.Redis", config: Config) -> None:
    post(connection, "noisy", range(turns.MOST_QUEUED + 5))
    last = readyjob.delivery_job_id("noisy", f"m{turns.MOST_QUEUED + 4}")
    assert Operator(connection, config, "ada").delete([last]) == [last]
    assert connection.llen(turns.own_queue("noisy")) == 4
    work(connection, config)
    assert counted(connection, "noisy") == turns.MOST_QUEUED + 4
