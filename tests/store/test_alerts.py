"""Alert states and the outbox: announced together or not at all, and attempted by one at a time."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import redis
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from app import jobqueue
from app.core.meter import AWB
from app.core.threshold import AlertState
from app.store import keys
from app.store.alerts import Alerts, Attempt
from tests.store.make import DEPLOYMENT, NOW, notification

_STATE = AlertState("90%", date(2026, 5, 1), NOW, NOW)


@pytest.fixture
def alerts(connection: "redis.Redis") -> Alerts:
    return Alerts(connection, DEPLOYMENT)


def announced(alerts: Alerts, *ids: str) -> None:
    version, _ = alerts.state(AWB)
    assert alerts.announce(AWB, version, _STATE, [notification(identity) for identity in ids], NOW)


def queued(connection: Any) -> list[str]:
    return [item.decode() for item in connection.lrange(jobqueue.queue_key(jobqueue.NOTIFICATIONS), 0, -1)]


def test_state_notifications_and_jobs_are_written_together(connection: "redis.Redis", alerts: Alerts) -> None:
    assert alerts.state(AWB) == (0, AlertState())
    both = [notification("n1"), notification("n2", "email:ops@example.com")]
    assert alerts.announce(AWB, 0, _STATE, both, NOW)
    assert alerts.state(AWB) == (1, _STATE)
    assert queued(connection) == ["notification-prod-n1", "notification-prod-n2"]
    job = Job.fetch("notification-prod-n2", connection=connection, serializer=JSONSerializer)
    assert (job.func_name, job.args, job.origin) == (jobqueue.SEND, ["prod", "n2"], jobqueue.NOTIFICATIONS)
    rows = {row["id"]: (row["receiver"], row["state"], row["attempts"], row["level"]) for row in alerts.history()}
    assert rows == {"n1": ("slack", "pending", 0, "90%"), "n2": ("email:ops@example.com", "pending", 0, "90%")}


def test_whoever_read_an_older_state_announces_nothing(connection: "redis.Redis", alerts: Alerts) -> None:
    announced(alerts, "n1")
    other = AlertState("100%", date(2026, 5, 1), NOW, NOW)
    assert not alerts.announce(AWB, 0, other, [notification("n2")], NOW)
    assert alerts.state(AWB) == (1, _STATE)
    assert [row["id"] for row in alerts.history()] == ["n1"]
    assert queued(connection) == ["notification-prod-n1"]
    assert not connection.exists("rq:job:notification-prod-n2", keys.notification(DEPLOYMENT, "n2"))


def test_of_sixteen_that_announce_at_once_one_succeeds(connection: "redis.Redis", alerts: Alerts) -> None:
    barrier, outcomes = threading.Barrier(16), list[bool]()

    def announce(number: int) -> None:
        barrier.wait()
        outcomes.append(alerts.announce(AWB, 0, _STATE, [notification(f"n{number}")], NOW))

    _together(announce, 16)
    assert sum(outcomes) == 1
    assert len(alerts.history()) == len(queued(connection)) == connection.zcard(keys.pending(DEPLOYMENT)) == 1


def test_of_sixteen_that_claim_at_once_one_may_send(alerts: Alerts) -> None:
    announced(alerts, "n1")
    barrier, attempts = threading.Barrier(16), list[Attempt | None]()

    def claim(_number: int) -> None:
        barrier.wait()
        attempts.append(alerts.claim("n1", NOW, 120))

    _together(claim, 16)
    assert [attempt for attempt in attempts if attempt] == [Attempt(notification("n1"), 1)]


def _together(work: Any, threads: int) -> None:
    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def test_a_claim_ends_and_can_be_taken_again(alerts: Alerts) -> None:
    announced(alerts, "n1")
    assert alerts.claim("n1", NOW, 120)
    assert alerts.claim("n1", NOW + timedelta(seconds=119.999), 120) is None
    again = alerts.claim("n1", NOW + timedelta(seconds=120), 120)
    assert again
    assert again.number == 2


@pytest.mark.parametrize("settle", [lambda a: a.mark_sent("n1", NOW), lambda a: a.mark_failed("n1", "404")])
def test_what_is_settled_cannot_be_claimed_and_leaves_the_outbox(alerts: Alerts, settle: Any) -> None:
    announced(alerts, "n1")
    alerts.claim("n1", NOW, 120)
    settle(alerts)
    assert alerts.claim("n1", NOW + timedelta(days=1), 120) is None
    assert alerts.overdue(datetime(2100, 1, 1, tzinfo=UTC)) == []


def test_a_retry_gives_the_claim_back_and_is_overdue_only_later(alerts: Alerts) -> None:
    announced(alerts, "n1")
    alerts.claim("n1", NOW, 120)
    alerts.mark_retry("n1", "Slack answered 500", NOW.timestamp() + 60)
    assert alerts.overdue(NOW + timedelta(seconds=59)) == []
    assert alerts.overdue(NOW + timedelta(seconds=60)) == ["n1"]
    assert alerts.history()[0]["error"] == "Slack answered 500"
    attempt = alerts.claim("n1", NOW + timedelta(seconds=1), 120)
    assert attempt
    assert attempt.number == 2


def test_an_unknown_notification_cannot_be_claimed(connection: "redis.Redis", alerts: Alerts) -> None:
    connection.zadd(keys.pending(DEPLOYMENT), {"lost": 0})
    assert alerts.claim("lost", NOW, 120) is None
    assert alerts.overdue(NOW) == []


@pytest.mark.parametrize(
    ("status", "again"),
    [("queued", False), ("started", False), ("scheduled", False), ("deferred", False), ("failed", True), (None, True)],
)
def test_a_lost_job_is_queued_again_and_a_living_one_is_not(
    connection: "redis.Redis", alerts: Alerts, status: str | None, again: bool
) -> None:
    announced(alerts, "n1")
    connection.delete(jobqueue.queue_key(jobqueue.NOTIFICATIONS))
    if status is None:
        connection.delete("rq:job:notification-prod-n1")
    else:
        connection.hset("rq:job:notification-prod-n1", "status", status)
    assert alerts.enqueue_again("n1") is again
    assert queued(connection) == (["notification-prod-n1"] if again else [])
    if again:
        job = Job.fetch("notification-prod-n1", connection=connection, serializer=JSONSerializer)
        assert job.get_status() is JobStatus.QUEUED


def test_the_history_shows_the_newest_first_and_no_more_than_asked(alerts: Alerts) -> None:
    for number in range(5):
        version, _ = alerts.state(AWB)
        alerts.announce(AWB, version, _STATE, [notification(f"n{number}")], NOW + timedelta(minutes=number))
    assert [row["id"] for row in alerts.history(limit=3)] == ["n4", "n3", "n2"]
