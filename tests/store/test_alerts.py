"""Alert states, their notifications and events: announced together or not at all; and attempted by one at a time."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import redis
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from app.core.alert.alert import Notification
from app.core.alert.decision import AlertState
from app.core.alert.handle import Handle
from app.core.count.meter import AWB
from app.store import keys
from app.store.alert.alerts import Alerts, Change
from app.store.alert.outbox import Attempt, Outbox
from app.store.rq import jobqueue
from tests.store.make import DEPLOYMENT, NOW, notification

_STATE = AlertState("90%", date(2026, 5, 1), NOW, NOW)


@pytest.fixture
def alerts(connection: "redis.Redis") -> Alerts:
    return Alerts(connection, DEPLOYMENT)


@pytest.fixture
def outbox(connection: "redis.Redis") -> Outbox:
    return Outbox(connection, DEPLOYMENT)


def change(*notifications: Notification, state: AlertState = _STATE, at: datetime = NOW) -> Change:
    words = notifications[0].alert if notifications else notification().alert
    return Change(state, at, words, "Usage reached 90%.", notifications)


def announced(alerts: Alerts, *ids: str) -> None:
    version, _ = alerts.state(AWB)
    assert alerts.announce(AWB, version, change(*(notification(identity) for identity in ids)))


def queued(connection: Any) -> list[str]:
    return [item.decode() for item in connection.lrange(jobqueue.queue_key(jobqueue.NOTIFICATIONS), 0, -1)]


def test_state_notifications_and_jobs_are_written_together(
    connection: "redis.Redis", alerts: Alerts, outbox: Outbox
) -> None:
    assert alerts.state(AWB) == (0, AlertState())
    both = [notification("n1"), notification("n2", "email:ops@example.com")]
    assert alerts.announce(AWB, 0, change(*both))
    assert alerts.state(AWB) == (1, _STATE)
    assert queued(connection) == ["notification-prod-n1", "notification-prod-n2"]
    job = Job.fetch("notification-prod-n2", connection=connection, serializer=JSONSerializer)
    assert (job.func_name, job.args, job.origin) == (jobqueue.SEND, ["prod", "n2"], jobqueue.NOTIFICATIONS)
    rows = {row["id"]: (row["receiver"], row["state"], row["attempts"], row["level"]) for row in outbox.history()}
    assert rows == {"n1": ("slack", "pending", 0, "90%"), "n2": ("email:ops@example.com", "pending", 0, "90%")}


def test_whoever_read_an_older_state_announces_nothing(
    connection: "redis.Redis", alerts: Alerts, outbox: Outbox
) -> None:
    announced(alerts, "n1")
    other = AlertState("100%", date(2026, 5, 1), NOW, NOW)
    assert not alerts.announce(AWB, 0, change(notification("n2"), state=other))
    assert alerts.state(AWB) == (1, _STATE)
    assert len(alerts.events()) == 1
    assert [row["id"] for row in outbox.history()] == ["n1"]
    assert queued(connection) == ["notification-prod-n1"]
    assert not connection.exists("rq:job:notification-prod-n2", keys.notification(DEPLOYMENT, "n2"))


def test_of_sixteen_that_announce_at_once_one_succeeds(
    connection: "redis.Redis", alerts: Alerts, outbox: Outbox
) -> None:
    barrier, outcomes = threading.Barrier(16), list[bool]()

    def announce(number: int) -> None:
        barrier.wait()
        outcomes.append(alerts.announce(AWB, 0, change(notification(f"n{number}"))))

    _together(announce, 16)
    assert sum(outcomes) == 1
    assert len(outbox.history()) == len(queued(connection)) == connection.zcard(keys.pending(DEPLOYMENT)) == 1


def test_of_sixteen_that_claim_at_once_one_may_send(alerts: Alerts, outbox: Outbox) -> None:
    announced(alerts, "n1")
    barrier, attempts = threading.Barrier(16), list[Attempt | None]()

    def claim(_number: int) -> None:
        barrier.wait()
        attempts.append(outbox.claim("n1", NOW, 120))

    _together(claim, 16)
    assert [attempt for attempt in attempts if attempt] == [Attempt(notification("n1"), 1, NOW)]


def _together(work: Any, threads: int) -> None:
    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def test_a_claim_ends_and_can_be_taken_again(alerts: Alerts, outbox: Outbox) -> None:
    announced(alerts, "n1")
    assert outbox.claim("n1", NOW, 120)
    assert outbox.claim("n1", NOW + timedelta(seconds=119.999), 120) is None
    again = outbox.claim("n1", NOW + timedelta(seconds=120), 120)
    assert again
    assert again.number == 2


@pytest.mark.parametrize(
    "settle", [lambda box: box.mark_sent(notification("n1"), NOW), lambda box: box.mark_failed("n1", "404")]
)
def test_what_is_settled_cannot_be_claimed_and_leaves_the_outbox(alerts: Alerts, outbox: Outbox, settle: Any) -> None:
    announced(alerts, "n1")
    outbox.claim("n1", NOW, 120)
    settle(outbox)
    assert outbox.claim("n1", NOW + timedelta(days=1), 120) is None
    assert outbox.overdue(datetime(2100, 1, 1, tzinfo=UTC)) == []


def test_a_retry_gives_the_claim_back_and_is_overdue_only_later(alerts: Alerts, outbox: Outbox) -> None:
    announced(alerts, "n1")
    outbox.claim("n1", NOW, 120)
    outbox.mark_retry("n1", "Slack answered 500", NOW.timestamp() + 60)
    assert outbox.overdue(NOW + timedelta(seconds=59)) == []
    assert outbox.overdue(NOW + timedelta(seconds=60)) == ["n1"]
    assert outbox.history()[0]["error"] == "Slack answered 500"
    attempt = outbox.claim("n1", NOW + timedelta(seconds=1), 120)
    assert attempt
    assert attempt.number == 2


def test_an_unknown_notification_cannot_be_claimed(connection: "redis.Redis", outbox: Outbox) -> None:
    connection.zadd(keys.pending(DEPLOYMENT), {"lost": 0})
    assert outbox.claim("lost", NOW, 120) is None
    assert outbox.overdue(NOW) == []


@pytest.mark.parametrize(
    ("status", "again"),
    [("queued", False), ("started", False), ("scheduled", False), ("deferred", False), ("failed", True), (None, True)],
)
def test_a_lost_job_is_queued_again_and_a_living_one_is_not(
    connection: "redis.Redis", alerts: Alerts, outbox: Outbox, status: str | None, again: bool
) -> None:
    announced(alerts, "n1")
    connection.delete(jobqueue.queue_key(jobqueue.NOTIFICATIONS))
    if status is None:
        connection.delete("rq:job:notification-prod-n1")
    else:
        connection.hset("rq:job:notification-prod-n1", "status", status)
    assert outbox.enqueue_again("n1") is again
    assert queued(connection) == (["notification-prod-n1"] if again else [])
    if again:
        job = Job.fetch("notification-prod-n1", connection=connection, serializer=JSONSerializer)
        assert job.get_status() is JobStatus.QUEUED


def test_the_history_shows_the_newest_first_and_no_more_than_asked(alerts: Alerts, outbox: Outbox) -> None:
    for number in range(5):
        version, _ = alerts.state(AWB)
        at = NOW + timedelta(minutes=number)
        alerts.announce(AWB, version, change(notification(f"n{number}"), at=at))
    assert [row["id"] for row in outbox.history(limit=3)] == ["n4", "n3", "n2"]
    assert [row["id"] for row in outbox.history(before=(NOW + timedelta(minutes=2)).timestamp())] == ["n1", "n0"]
    assert [event["notifications"] for event in alerts.events(limit=2)] == [["n4"], ["n3"]]


def test_what_happened_is_kept_with_its_words(alerts: Alerts) -> None:
    announced(alerts, "n1")
    (event,) = alerts.events()
    kept = {key: event[key] for key in ("alert", "change", "reason", "level", "because", "at", "notifications")}
    assert kept == {
        "alert": AWB,
        "change": 1,
        "reason": "first",
        "level": "90%",
        "because": "Usage reached 90%.",
        "at": NOW.timestamp(),
        "notifications": ["n1"],
    }
    assert alerts.last(AWB) == notification().alert
    alerts.forget_events(NOW.timestamp())
    assert alerts.events() == []


def test_a_state_may_change_without_a_word(alerts: Alerts) -> None:
    announced(alerts, "n1")
    assert alerts.announce(AWB, 1, Change(AlertState(), NOW))
    assert (alerts.state(AWB), alerts.firing(), len(alerts.events())) == ((2, AlertState()), [], 1)
    assert alerts.last(AWB) == notification().alert


def test_notifications_of_no_change_are_added_once(connection: "redis.Redis", outbox: Outbox) -> None:
    for _ in range(3):
        outbox.add([notification("n1"), notification("n2", "email:ops@example.com")], NOW)
    assert queued(connection) == ["notification-prod-n1", "notification-prod-n2"]
    outbox.claim("n1", NOW, 120)
    outbox.mark_failed("n1", "404")
    outbox.add([notification("n1")], NOW)
    assert outbox.history()[-1]["state"] == "failed"


def test_what_is_held_counts_as_no_attempt_and_is_brought_by_the_sweep(alerts: Alerts, outbox: Outbox) -> None:
    announced(alerts, "n1")
    outbox.claim("n1", NOW, 120)
    outbox.hold("n1", "Quiet hours.", NOW + timedelta(hours=9))
    (row,) = outbox.history()
    assert (row["state"], row["attempts"], row["held"]) == ("pending", 0, "Quiet hours.")
    assert outbox.overdue(NOW + timedelta(hours=8)) == []
    later = NOW + timedelta(hours=9)
    assert outbox.overdue(later) == ["n1"]
    attempt = outbox.claim("n1", later, 120)
    assert attempt
    assert (attempt.number, attempt.tried_since, attempt.held, attempt.newest) == (1, later, True, True)


def test_a_silence_that_ends_early_lets_what_it_held_go(alerts: Alerts, outbox: Outbox) -> None:
    announced(alerts, "held", "retried")
    outbox.claim("held", NOW, 120)
    outbox.hold("held", "Silenced by ada.", NOW + timedelta(days=2))
    outbox.claim("retried", NOW, 120)
    outbox.mark_retry("retried", "500", (NOW + timedelta(hours=1)).timestamp())
    outbox.reconsider_held(NOW)
    assert outbox.overdue(NOW) == ["held"]


def test_only_the_newest_about_an_alert_is_the_newest(alerts: Alerts, outbox: Outbox) -> None:
    announced(alerts, "n1")
    announced(alerts, "n2")
    first, second = (outbox.claim(identity, NOW, 120) for identity in ("n1", "n2"))
    assert first
    assert second
    assert (first.newest, first.overtaken, second.newest) == (False, False, True)
    outbox.mark_sent(second.notification, NOW)
    outbox.mark_retry("n1", "500", NOW.timestamp())
    again = outbox.claim("n1", NOW, 120)
    assert again
    assert again.overtaken


def test_a_thread_is_kept_with_the_message_that_began_it(alerts: Alerts, outbox: Outbox) -> None:
    announced(alerts, "n1")
    said = notification("n1")
    assert outbox.thread("slack", said.alert.group_key) is None
    outbox.mark_sent(said, NOW, Handle("C1", "17.5"))
    assert outbox.thread("slack", said.alert.group_key) == Handle("C1", "17.5")
    outbox.mark_sent(said, NOW)  # no news of the thread
    assert outbox.thread("slack", said.alert.group_key) == Handle("C1", "17.5")
    assert outbox.thread("slack", "prod:awb:2027-01-01") is None


def test_what_is_old_and_done_is_forgotten(connection: "redis.Redis", alerts: Alerts, outbox: Outbox) -> None:
    announced(alerts, "n1")
    outbox.mark_sent(notification("n1"), NOW)
    outbox.forget(NOW.timestamp())
    assert len(outbox.history()) == 1
    outbox.forget(NOW.timestamp() + 1)
    assert (outbox.history(), outbox.waiting()) == ([], 0)
    assert not connection.exists(keys.notification(DEPLOYMENT, "n1"))


def test_what_is_old_and_still_pending_is_kept_and_hides_nothing_behind_it(alerts: Alerts, outbox: Outbox) -> None:
    # More than one look at the list takes.
    held = [f"held-{n:03}" for n in range(600)]
    announced(alerts, *held)
    for one in held:
        assert outbox.claim(one, NOW, 120)
        outbox.hold(one, "Silenced by ada: month end", NOW + timedelta(days=90))
    announced(alerts, "sent")
    outbox.mark_sent(notification("sent"), NOW)
    outbox.forget(NOW.timestamp() + 1)
    assert {row["id"] for row in outbox.history(1000)} == set(held)
    assert outbox.waiting() == 600
    assert outbox.claim("held-000", NOW + timedelta(days=90), 120)
