"""What the receiver accepts: each notification becomes exactly one job, as RQ itself would have written it."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import redis
import time_machine
from flask.testing import FlaskClient
from rq import Queue, Retry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from app.config.load import Config
from app.store.receive.inbox import Inbox, deployments
from app.store.rq import jobqueue
from app.web.factory import create_app
from tests.conftest import RedisServer
from tests.web.make import MESSAGE_ID, answer, basic, everything, notification, payload_file

JOB_ID = f"delivery-default-{MESSAGE_ID}"
DIFFERS = ("created_at", "enqueued_at", "data")


def fetch(job_id: str, connection: "redis.Redis") -> Job:
    return Job.fetch(job_id, connection=connection, serializer=JSONSerializer)


def queued(connection: "redis.Redis") -> list[str]:
    return list(jobqueue.queue(jobqueue.DELIVERIES, connection).job_ids)


def test_an_accepted_notification_is_queued(client: FlaskClient, connection: "redis.Redis") -> None:
    response = client.post("/v1/webhook", headers=basic(), data=notification())
    assert response.get_json() == {"status": "accepted", "message_id": MESSAGE_ID}
    assert (response.status_code, response.content_type) == (202, "application/json")
    assert queued(connection) == [JOB_ID]
    assert deployments(connection) == ["default"]
    assert Inbox(connection, "default").stats()["accepted"] == 1


def test_nothing_is_accepted_before_redis_has_confirmed_it(connection: "redis.Redis", config: Config) -> None:
    """The answer is made of Redis' own: a Redis that takes the script and then goes away is no acceptance."""
    client = create_app(config, connection).test_client()
    assert client.post("/v1/webhook", headers=basic(), data=notification("first")).status_code == 202
    connection.execute_command("CLIENT", "PAUSE", "20000", "WRITE")
    try:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.post, "/v1/webhook", headers=basic(), data=notification("second"))
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            connection.execute_command("CLIENT", "UNPAUSE")
            assert answer(waiting.result(10)) == (202, "accepted")
    finally:
        connection.execute_command("CLIENT", "UNPAUSE")
    assert queued(connection) == ["delivery-default-first", "delivery-default-second"]


def test_the_job_is_what_rq_itself_would_have_stored(client: FlaskClient, connection: "redis.Redis") -> None:
    client.post("/v1/webhook", headers=basic(), data=notification())
    ours = fetch(JOB_ID, connection)
    theirs = fetch(
        Queue(jobqueue.DELIVERIES, connection=connection, serializer=JSONSerializer)
        .enqueue(
            jobqueue.CLASSIFY,
            *ours.args,
            job_id="theirs",
            description=ours.description,
            job_timeout=180,
            result_ttl=0,
            failure_ttl=jobqueue.FAILURE_TTL,
            meta=ours.meta,
            retry=Retry(max=len(jobqueue.RETRY_INTERVALS), interval=list(jobqueue.RETRY_INTERVALS)),
        )
        .id,
        connection,
    )
    as_read = [{k: v for k, v in job.to_dict().items() if k not in DIFFERS} for job in (ours, theirs)]
    assert as_read[0] == as_read[1]
    assert (ours.func_name, ours.args, ours.kwargs) == (theirs.func_name, theirs.args, theirs.kwargs)
    assert ours.created_at is not None
    assert ours.created_at == ours.enqueued_at
    assert abs((theirs.created_at - ours.created_at).total_seconds()) < 60


def test_the_job_says_what_to_do_and_what_it_is(client: FlaskClient, connection: "redis.Redis") -> None:
    client.post("/v1/webhook", headers=basic(), data=notification())
    job = fetch(JOB_ID, connection)
    assert job.func_name == "workers.jobs.classify_delivery"
    assert job.origin == "awb-deliveries"
    assert job.get_status() is JobStatus.QUEUED
    assert (job.retries_left, job.retry_intervals, job.timeout) == (3, [5, 60, 300], 180)
    deployment, message_id, received_at, payload = job.args
    assert (deployment, message_id) == ("default", MESSAGE_ID)
    assert abs(received_at - datetime.now(UTC).timestamp()) < 60
    assert payload["notification_name"] == "Task Resumed"
    assert job.description == f"classify delivery {MESSAGE_ID} of default"


def test_no_personal_data_of_the_recipient_is_queued(client: FlaskClient, connection: "redis.Redis") -> None:
    client.post("/v1/webhook", headers=basic(), data=notification())
    kept = everything(connection)
    assert b"Task Resumed" in kept
    assert b"ada@example.com" not in kept
    assert b"Ada Example" not in kept


def test_rq_info_shows_the_queue(client: FlaskClient, redis_server: RedisServer) -> None:
    client.post("/v1/webhook", headers=basic(), data=notification())
    command = [sys.executable, "-m", "rq.cli", "info", "--url", redis_server.url, "--raw", "--only-queues"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "queue awb-deliveries 1" in shown


def test_the_same_message_is_a_duplicate_and_queues_nothing(client: FlaskClient, connection: "redis.Redis") -> None:
    answers = [answer(client.post("/v1/webhook", headers=basic(), data=notification())) for _ in range(3)]
    assert answers == [(202, "accepted"), (200, "duplicate"), (200, "duplicate")]
    assert queued(connection) == [JOB_ID]
    assert Inbox(connection, "default").stats()["duplicate"] == 2


def test_a_message_stays_known_after_its_job_is_gone(client: FlaskClient, connection: "redis.Redis") -> None:
    client.post("/v1/webhook", headers=basic(), data=notification())
    fetch(JOB_ID, connection).delete()
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification())) == (200, "duplicate")


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2031, 1, 1, 0, 0, 0, tzinfo=UTC)),
        (datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_message_stays_known_beyond_the_turn_of_the_year(
    client: FlaskClient, connection: "redis.Redis", first: datetime, again: datetime
) -> None:
    with time_machine.travel(first):
        assert answer(client.post("/v1/webhook", headers=basic(), data=notification())) == (202, "accepted")
    with time_machine.travel(again):
        assert answer(client.post("/v1/webhook", headers=basic(), data=notification())) == (200, "duplicate")
    assert queued(connection) == [JOB_ID]


def test_of_many_at_once_exactly_one_is_accepted(connection: "redis.Redis", config: Config) -> None:
    app, together = create_app(config, connection), threading.Barrier(20)

    def post(_: int) -> tuple[int, str]:
        client = app.test_client()
        together.wait(20)
        return answer(client.post("/v1/webhook", headers=basic(), data=notification()))

    with ThreadPoolExecutor(20) as pool:
        answers = sorted(pool.map(post, range(20)))
    assert answers == [(200, "duplicate")] * 19 + [(202, "accepted")]
    assert queued(connection) == [JOB_ID]


def test_many_threads_lose_nothing(connection: "redis.Redis", config: Config) -> None:
    app = create_app(config, connection)

    def post(number: int) -> int:
        return app.test_client().post("/v1/webhook", headers=basic(), data=notification(f"m{number}")).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(post, range(400))) == {202}
    assert sorted(queued(connection)) == sorted(f"delivery-default-m{number}" for number in range(400))


@pytest.mark.parametrize("message_id", ["a", "-", "_", "0", "null", "x" * 64, "ABC-def_123", "constructor"])
def test_odd_message_ids_are_ids(client: FlaskClient, connection: "redis.Redis", message_id: str) -> None:
    answers = [answer(client.post("/v1/webhook", headers=basic(), data=notification(message_id))) for _ in range(2)]
    assert answers == [(202, "accepted"), (200, "duplicate")]
    assert fetch(f"delivery-default-{message_id}", connection).args[1] == message_id


def test_message_ids_differ_by_case(client: FlaskClient) -> None:
    answers = [answer(client.post("/v1/webhook", headers=basic(), data=notification(x))) for x in ("abc", "ABC")]
    assert answers == [(202, "accepted"), (202, "accepted")]


@pytest.mark.parametrize(("in_body", "known_as"), [("in-body", "in-body"), (None, "in-header"), ("", "in-header")])
def test_the_header_serves_where_the_body_has_no_id(
    client: FlaskClient, connection: "redis.Redis", in_body: str | None, known_as: str
) -> None:
    headers = {**basic(), "X-Message-Id": "in-header"}
    response = client.post("/v1/webhook", headers=headers, data=notification(in_body))
    assert response.get_json() == {"status": "accepted", "message_id": known_as}
    assert queued(connection) == [f"delivery-default-{known_as}"]


def test_deployments_are_apart(client: FlaskClient, connection: "redis.Redis") -> None:
    for path in ("/v1/webhook", "/v1/webhook/eu-1", "/v1/webhook/eu-2"):
        assert answer(client.post(path, headers=basic(), data=notification())) == (202, "accepted")
    assert deployments(connection) == ["default", "eu-1", "eu-2"]
    assert sorted(queued(connection)) == [f"delivery-{name}-{MESSAGE_ID}" for name in ("default", "eu-1", "eu-2")]


def test_the_default_deployment_may_be_named_and_is_no_redirect(client: FlaskClient) -> None:
    """A redirect would make some clients ask by GET, and lose the notification."""
    assert answer(client.post("/v1/webhook/default", headers=basic(), data=notification())) == (202, "accepted")
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification())) == (200, "duplicate")


@pytest.mark.parametrize(
    ("path", "deployment"),
    [
        ("/v1/webhook/", "default"),
        ("/v1/webhook/default/", "default"),
        ("/v1/webhook/eu/", "eu"),
        ("//v1/webhook", "default"),
        ("/v1//webhook", "default"),
        ("//v1/webhook//", "default"),
        ("/v1/webhook//eu", "eu"),
    ],
)
def test_slashes_too_many_change_nothing(
    client: FlaskClient, connection: "redis.Redis", path: str, deployment: str
) -> None:
    # The client would take a path that begins with two slashes for a host.
    environ = {"PATH_INFO": path}
    response = client.post("/", headers=basic(), data=notification(), environ_overrides=environ)
    assert answer(response) == (202, "accepted")
    assert deployments(connection) == [deployment]


def test_scripts_that_redis_forgot_are_sent_again(client: FlaskClient, connection: "redis.Redis") -> None:
    for message_id in ("one", "two", "three"):
        connection.script_flush()
        assert answer(client.post("/v1/webhook", headers=basic(), data=notification(message_id))) == (202, "accepted")
    assert len(queued(connection)) == 3


def test_an_unknown_template_is_accepted(client: FlaskClient, connection: "redis.Redis") -> None:
    body = payload_file("template_of_the_future")
    response = client.post("/v1/webhook", headers=basic(), json=body)
    assert answer(response) == (202, "accepted")
    assert queued(connection) == [f"delivery-default-{body['msg_id']}"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_does_not_matter(client: FlaskClient, content_type: str) -> None:
    response = client.post("/v1/webhook", headers=basic(), data=notification(), content_type=content_type)
    assert answer(response) == (202, "accepted")
