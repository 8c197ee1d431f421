"""The sweep: lost jobs come back, time alone crosses thresholds, and a second sweep changes nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine

from app import clock
from app.pipeline.notify.send import send
from app.pipeline.watch.sweep import recount_all, recount_if_templates_changed, sweep, templates_fingerprint
from app.simulator.sinks import SlackSink
from app.store import keys
from app.store.rq import jobqueue, plainjob
from app.store.rq.enqueue import enqueue
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.streams import (
    DEPLOYMENT,
    config_for,
    deliveries_of,
    messages_of,
    outbox,
    resumes,
    run,
    to_slack_and_mail,
    used,
)

_QUEUE = jobqueue.queue_key(jobqueue.NOTIFICATIONS)


@pytest.fixture
def config(redis_server: RedisServer, world_clock: time_machine.Traveller) -> Any:
    return config_for(redis_server.url, **to_slack_and_mail("http://127.0.0.1:1/services/T/B/x"))


def lose_jobs(connection: Any) -> None:
    connection.delete(_QUEUE, *connection.scan_iter(match="rq:job:*", count=1000))


def test_lost_jobs_of_pending_notifications_come_back_when_they_are_overdue(
    connection: "redis.Redis", config: Any, world_clock: time_machine.Traveller
) -> None:
    run(connection, config, resumes(18))
    lose_jobs(connection)
    world_clock.shift(timedelta(seconds=29))
    sweep(connection, config)
    assert connection.llen(_QUEUE) == 0
    world_clock.shift(timedelta(seconds=1))
    for _ in range(3):
        sweep(connection, config)
        assert connection.llen(_QUEUE) == 2


def test_a_job_that_waits_in_its_queue_is_not_doubled(
    connection: "redis.Redis", config: Any, world_clock: time_machine.Traveller
) -> None:
    run(connection, config, resumes(18))
    world_clock.shift(timedelta(hours=1))
    sweep(connection, config)
    assert connection.llen(_QUEUE) == 2


def test_settled_notifications_are_left_alone(
    connection: "redis.Redis", redis_server: RedisServer, world_clock: time_machine.Traveller
) -> None:
    with SlackSink() as slack:
        config = config_for(redis_server.url, slack_webhook_url=slack.url, limit=1)
        run(connection, config, resumes(1))
        send(Store(connection, DEPLOYMENT), config, outbox(connection)[0]["id"])
        lose_jobs(connection)
        world_clock.shift(timedelta(hours=1))
        sweep(connection, config)
    assert connection.llen(_QUEUE) == 0


def test_a_new_month_is_noticed_without_any_delivery(
    connection: "redis.Redis", redis_server: RedisServer, world_clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, slack_webhook_url="http://127.0.0.1:1/x", period="monthly")
    run(connection, config, resumes(20))
    world_clock.move_to(datetime(2026, 4, 1, tzinfo=UTC))
    sweep(connection, config)
    sweep(connection, config)
    assert [row["reason"] for row in outbox(connection)] == ["first", "summary"]


def test_the_time_of_the_last_sweep_is_noted(connection: "redis.Redis", config: Any) -> None:
    sweep(connection, config)
    assert float(connection.hget(keys.MARKS, "last_sweep_at")) == clock.now().timestamp()


def test_a_maintenance_job_is_queued_once_while_it_is_under_way(connection: "redis.Redis") -> None:
    job = plainjob.sweep_job(1)
    assert [enqueue(connection, job) for _ in range(3)] == [True, False, False]
    assert connection.llen(jobqueue.queue_key(job.queue)) == 1


def test_a_changed_template_list_leads_to_one_recount_and_its_warnings(
    connection: "redis.Redis", redis_server: RedisServer, world_clock: time_machine.Traveller
) -> None:
    before = config_for(redis_server.url, ai_templates="", slack_webhook_url="http://127.0.0.1:1/x", limit=10_000)
    # Nothing but the template tells that a created workspace belongs to a task.
    created = [one for one in messages_of(1, 120) if one.name == "Workspace Created"]
    run(connection, before, deliveries_of(created))
    connection.sadd(keys.DEPLOYMENTS, DEPLOYMENT)  # as the receiver does
    recount_all(connection, before, templates_fingerprint(before))
    assert not recount_if_templates_changed(connection, before)
    fewer = used(connection)
    after = config_for(redis_server.url, slack_webhook_url="http://127.0.0.1:1/x", limit=fewer + 1)
    assert recount_if_templates_changed(connection, after)
    assert not recount_if_templates_changed(connection, after)
    recount_all(connection, after, templates_fingerprint(after))
    assert used(connection) > fewer
    assert outbox(connection)
    lose_jobs(connection)
    assert not recount_if_templates_changed(connection, after)
