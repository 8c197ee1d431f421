"""The inbox: each message id is taken once, and nothing in it grows for ever."""

import hashlib
import threading
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.job import Job
from rq.serializers import JSONSerializer

from app.store import keys
from app.store.receive.inbox import QUARANTINE_KEPT, Inbox, Remembered, deployments
from app.store.rq import jobqueue, readyjob
from tests.conftest import RedisServer
from tests.store.make import DEPLOYMENT, NOW, expires_at

_PAYLOAD = {"notification_name": "Task Resumed", "labels": {"workspace": "größer"}, "targets": []}


def accept(inbox: Inbox, message_id: str, at: datetime = NOW) -> bool:
    job = readyjob.delivery_job(inbox.deployment, message_id, at.timestamp(), _PAYLOAD)
    return inbox.accept(job, message_id, at.timestamp())


def seen_keys(connection: Any) -> list[bytes]:
    return list(connection.scan_iter(match=keys.seen(DEPLOYMENT, 2026, "*"), count=5000))


def test_a_new_delivery_becomes_a_job_that_rq_can_read(connection: "redis.Redis") -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    assert accept(inbox, "m1")
    queue = jobqueue.queue(jobqueue.DELIVERIES, connection)
    [job] = queue.jobs
    assert job.func_name == jobqueue.CLASSIFY
    assert job.args == [DEPLOYMENT, "m1", NOW.timestamp(), _PAYLOAD]
    assert (job.origin, job.get_status().value, job.retries_left) == (jobqueue.DELIVERIES, "queued", 3)
    assert (job.retry_intervals, job.result_ttl, job.failure_ttl) == ([5, 60, 300], 0, jobqueue.FAILURE_TTL)
    assert job.enqueued_at is not None
    assert deployments(connection) == [DEPLOYMENT]
    assert inbox.stats() == {"accepted": 1, "last_delivery_at": NOW.timestamp()}


def test_what_rq_writes_itself_has_the_same_fields(connection: "redis.Redis") -> None:
    accept(Inbox(connection, DEPLOYMENT), "m1")
    queue = jobqueue.queue(jobqueue.DELIVERIES, connection)
    own = Job.fetch(f"delivery-{DEPLOYMENT}-m1", connection=connection, serializer=JSONSerializer)
    theirs = queue.enqueue(jobqueue.CLASSIFY, *own.args, result_ttl=0, failure_ttl=jobqueue.FAILURE_TTL, meta=own.meta)
    differing = {"created_at", "enqueued_at", "data", "description", "retries_left", "retry_intervals", "timeout"}
    ours, rqs = own.to_dict(), theirs.to_dict()
    assert ours.keys() - differing == rqs.keys() - differing
    assert {name for name in ours.keys() - differing if ours[name] != rqs[name]} == set()


def test_the_same_message_is_taken_once(connection: "redis.Redis") -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    assert [accept(inbox, "m1") for _ in range(4)] == [True, False, False, False]
    assert connection.llen(jobqueue.queue_key(jobqueue.DELIVERIES)) == 1
    assert inbox.stats()["duplicate"] == 3


def test_a_message_is_still_known_when_its_job_is_long_done(connection: "redis.Redis") -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    accept(inbox, "m1")
    connection.delete("rq:job:" + f"delivery-{DEPLOYMENT}-m1", jobqueue.queue_key(jobqueue.DELIVERIES))
    assert not accept(inbox, "m1", NOW.replace(year=2027, month=12, day=31))


def test_a_retry_after_new_year_is_a_duplicate(connection: "redis.Redis") -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    assert accept(inbox, "m1", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert not accept(inbox, "m1", datetime(2027, 1, 1, 0, 4, 59, tzinfo=UTC))


def test_deployments_do_not_share_message_ids(connection: "redis.Redis") -> None:
    assert accept(Inbox(connection, "prod"), "m1")
    assert accept(Inbox(connection, "staging"), "m1")
    assert deployments(connection) == ["prod", "staging"]


def test_deployment_and_message_id_cannot_run_into_each_other(connection: "redis.Redis") -> None:
    assert accept(Inbox(connection, "prod"), "eu-m1")
    assert accept(Inbox(connection, "prod-eu"), "m1")
    jobs = jobqueue.queue(jobqueue.DELIVERIES, connection).jobs
    assert sorted(job.args[:2] for job in jobs) == [["prod", "eu-m1"], ["prod-eu", "m1"]]


def test_of_eight_that_deliver_the_same_at_once_one_is_new(connection: "redis.Redis") -> None:
    inbox, barrier, outcomes = Inbox(connection, DEPLOYMENT), threading.Barrier(8), list[bool]()

    def deliver() -> None:
        barrier.wait()
        outcomes.extend(accept(inbox, f"m{number}") for number in range(50))

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcomes) == 50
    assert connection.llen(jobqueue.queue_key(jobqueue.DELIVERIES)) == 50


def test_every_bucket_of_message_ids_expires_a_year_after_its_own(connection: "redis.Redis") -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    for number in range(500):
        accept(inbox, f"m{number}")
    buckets = seen_keys(connection)
    assert 400 < len(buckets) <= 500
    assert {expires_at(connection, key) for key in buckets} == {int(datetime(2028, 1, 1, tzinfo=UTC).timestamp())}


def test_half_a_million_message_ids_a_year_fit_into_small_lists(connection: "redis.Redis") -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    alike = (
        i for i in (f"m{n}" for n in count()) if hashlib.blake2s(i.encode(), digest_size=16).hexdigest()[:3] == "0a7"
    )
    for _ in range(500_000 // 4096):
        accept(inbox, next(alike))
    [bucket] = seen_keys(connection)
    assert connection.object("encoding", bucket) in (b"listpack", b"ziplist")
    assert connection.memory_usage(bucket, samples=0) / connection.hlen(bucket) < 30


def test_a_delivery_is_taken_once_across_a_restart_of_redis(short_dir: Path) -> None:
    from app.store.server.connection import connect  # noqa: PLC0415 - beside its only use

    server = RedisServer(short_dir)
    server.start()
    inbox = Inbox(connect(server.url), DEPLOYMENT)
    assert accept(inbox, "m1")
    server.kill()
    with pytest.raises((redis.exceptions.RedisError, OSError)):
        accept(inbox, "m2")
    server.start()
    try:
        assert [accept(inbox, "m1"), accept(inbox, "m2")] == [False, True]
    finally:
        server.stop()


def _remembered(message_id: str, at: float, template: str = "") -> Remembered:
    return Remembered(message_id, at, {"message_id": message_id, "received_at": at}, template)


def test_what_became_of_deliveries_is_kept_for_a_while_and_then_trimmed(connection: "redis.Redis") -> None:
    inbox, keep = Inbox(connection, DEPLOYMENT), 1000
    start = NOW.timestamp()
    for batch in range(20):
        with connection.pipeline(transaction=False) as pipe:
            rows = [_remembered(f"m{batch}-{n}", start + batch * 100 + n) for n in range(10)]
            inbox.remember(pipe, rows, keep)
            pipe.execute()
    newest = start + 19 * 100 + 9
    kept = connection.zrange(keys.deliveries(DEPLOYMENT), 0, -1, withscores=True)
    assert len(kept) == 100
    assert min(at for _, at in kept) > newest - keep
    assert 0 < connection.ttl(keys.delivery(DEPLOYMENT, "m19-9")) <= keep
    assert inbox.delivery("m19-9") == {"message_id": "m19-9", "received_at": newest}
    assert inbox.delivery("unknown") is None


def test_remembering_twice_changes_nothing(connection: "redis.Redis") -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    for at in (5.0, 5.0, 3.0):
        with connection.pipeline(transaction=False) as pipe:
            inbox.remember(pipe, [_remembered("m1", at, "new-template")], 1000)
            pipe.execute()
    assert connection.zcard(keys.deliveries(DEPLOYMENT)) == 1
    assert connection.zrange(keys.unlisted(DEPLOYMENT), 0, -1, withscores=True) == [(b"new-template", 5.0)]


def test_the_quarantine_keeps_the_newest(connection: "redis.Redis") -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    for number in range(QUARANTINE_KEPT + 30):
        inbox.quarantine(f"q{number}", NOW.timestamp() + number, "not valid JSON", b"{" * number, keep=True)
    assert connection.zcard(keys.quarantine(DEPLOYMENT)) == QUARANTINE_KEPT
    assert len(list(connection.scan_iter(match=keys.quarantined(DEPLOYMENT, "*"), count=5000))) == QUARANTINE_KEPT
    rows = inbox.quarantined(limit=2)
    assert [row["message_id"] for row in rows] == ["q229", "q228"]
    assert rows[0] == {
        "message_id": "q229",
        "reason": "not valid JSON",
        "received_at": NOW.timestamp() + 229,
        "bytes": 229,
    }
    assert inbox.stats()["quarantined"] == QUARANTINE_KEPT + 30


def test_a_body_that_may_hold_a_secret_is_quarantined_without_its_text(connection: "redis.Redis") -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    inbox.quarantine("q1", NOW.timestamp(), "not valid JSON", b"{", keep=False)
    assert connection.hget(keys.quarantined(DEPLOYMENT, "q1"), "body") is None
    assert connection.ttl(keys.quarantined(DEPLOYMENT, "q1")) > 0
