"""Operators: pause that workers honour, acts with an audit trail, replay, and review of the quarantine."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from app.config.load import Config
from app.pipeline.count.intake import take
from app.pipeline.operate.quarantine import Released, discard, release, show
from app.pipeline.operate.queues import Operator
from app.pipeline.operate.replay import Replayed, not_understood, replay, replay_unknown
from app.store.audit import Audit
from app.store.receive.inbox import Inbox
from app.store.receive.kept import Kept
from app.store.rq import jobqueue, readyjob
from app.store.rq.queues import Queues
from app.store.store import Store
from tests.conftest import PATIENCE, RedisServer, wait_until
from tests.pipeline.deadletter import DELIVERIES, dead_letter, fail, job_key, swift, work_off, write_failed
from tests.pipeline.streams import DEPLOYMENT, STARTED_AT, Delivery, config_for, resumes, spread, used
from tests.web.make import notification
from tests.workers.make import NOTHING, accept, awb, drain, jobs_in, put
from workers.runner import worker


@pytest.fixture(autouse=True, scope="module")
def _swift(redis_server: RedisServer) -> Iterator[None]:
    yield from swift(redis_server.url)


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return config_for(redis_server.url)


@pytest.fixture
def ada(connection: "redis.Redis", config: Config) -> Operator:
    return Operator(connection, config, "ada")


def trail(connection: "redis.Redis") -> list[tuple[str, str, str]]:
    return [(one.actor, one.action, one.detail) for one in reversed(Audit(connection, DEPLOYMENT).newest(100))]


def odd(number: int, name: str = "Odd News") -> list[Delivery]:
    """Return deliveries that no rule speaks of."""
    payload = {"notification_name": name, "labels": {"workspace": "w1"}, "targets": ["w1"]}
    return [(DEPLOYMENT, f"odd{n}", STARTED_AT + 86_400 * n, payload) for n in range(number)]


# ---- pause ----


@pytest.mark.parametrize("queue", jobqueue.QUEUES)
def test_a_worker_leaves_a_paused_queue_alone_and_what_arrives_waits(
    connection: "redis.Redis", config: Config, ada: Operator, queue: str
) -> None:
    assert ada.pause(queue)
    put(connection, readyjob.ready_job("job", queue, jobqueue.SWEEP, [1], "a job"))
    drain(connection, config, queue)
    assert jobs_in(connection, queue) == {**NOTHING, "queued": ["job"], "hashes": ["rq:job:job"]}
    assert ada.resume(queue)
    drain(connection, config, queue)
    assert jobs_in(connection, queue) == NOTHING


def test_deliveries_are_accepted_during_a_pause_and_counted_after_it(
    connection: "redis.Redis", config: Config, ada: Operator
) -> None:
    ada.pause(DELIVERIES)
    accept(connection, resumes(5))
    drain(connection, config)
    assert used(connection) == 0
    ada.resume(DELIVERIES)
    drain(connection, config)
    assert used(connection) == 5


def test_other_queues_go_on_during_a_pause(connection: "redis.Redis", config: Config, ada: Operator) -> None:
    ada.pause(jobqueue.MAINTENANCE)
    accept(connection, resumes(1))
    drain(connection, config)
    assert used(connection) == 1


def test_a_job_that_was_taken_when_the_pause_came_goes_back_to_the_head(
    connection: "redis.Redis", config: Config, ada: Operator
) -> None:
    accept(connection, resumes(3))
    before = jobs_in(connection)
    queue, intermediate = f"rq:queue:{DELIVERIES}", f"rq:queue:{DELIVERIES}:intermediate"
    connection.lmove(queue, intermediate, "LEFT", "RIGHT")
    ada.pause(DELIVERIES)
    assert Queues(connection).give_back_if_paused(DELIVERIES, before["queued"][0])
    assert jobs_in(connection) == before


@pytest.fixture
def waiting(connection: "redis.Redis", redis_server: RedisServer) -> Iterator[Any]:
    """A real worker that waits for a job."""
    process = awb("worker", DELIVERIES, redis_url=redis_server.url)
    try:
        wait_until(lambda: [one.state for one in Queues(connection).workers()] == ["idle"])
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_worker_that_waited_when_the_pause_came_takes_nothing_either(
    connection: "redis.Redis", ada: Operator, waiting: Any
) -> None:
    ada.pause(DELIVERIES)
    accept(connection, resumes(3))
    wait_until(lambda: [one.state for one in ada.queues.workers()] == ["suspended"])
    assert (len(jobs_in(connection)["queued"]), used(connection)) == (3, 0)
    (before,) = ada.queues.workers()
    wait_until(lambda: ada.queues.workers()[0].last_heartbeat != before.last_heartbeat)
    ada.resume(DELIVERIES)
    wait_until(lambda: used(connection) == 3)
    waiting.terminate()
    assert waiting.wait(PATIENCE) == 0


def test_a_worker_of_a_paused_queue_can_be_stopped(connection: "redis.Redis", ada: Operator, waiting: Any) -> None:
    ada.pause(DELIVERIES)
    accept(connection, resumes(1))
    wait_until(lambda: [one.state for one in ada.queues.workers()] == ["suspended"])
    waiting.terminate()
    assert waiting.wait(PATIENCE) == 0
    assert len(jobs_in(connection)["queued"]) == 1


def test_what_a_worker_held_when_it_was_killed_survives_the_pause(
    connection: "redis.Redis", config: Config, ada: Operator
) -> None:
    accept(connection, resumes(3))
    killed = worker(DELIVERIES, connection, config)
    _, queue = killed.dequeue_job_and_maintain_ttl(None)
    killed._take_more(queue)
    ada.pause(DELIVERIES)
    drain(connection, config)
    # Adopted: each has one retry less and is due in seconds.
    assert len(jobs_in(connection)["scheduled"]) == 3
    assert used(connection) == 0


def test_stock_rq_workers_do_not_know_the_pause(connection: "redis.Redis", ada: Operator, jobs_run: None) -> None:
    ada.pause(DELIVERIES)
    accept(connection, resumes(1))
    stock = SimpleWorker([DELIVERIES], connection=connection, serializer=JSONSerializer)
    stock.work(burst=True, logging_level="CRITICAL")
    assert used(connection) == 1


# ---- requeue and delete ----


def test_every_act_stands_in_the_audit_trail(connection: "redis.Redis", config: Config, ada: Operator) -> None:
    first, second = fail(connection, config, resumes(2))
    ada.requeue([first])
    ada.delete([second])
    ada.pause(DELIVERIES)
    ada.resume(DELIVERIES)
    assert trail(connection) == [
        ("ada", "requeue job", first),
        ("ada", "delete job", second),
        ("ada", "pause queue", DELIVERIES),
        ("ada", "resume queue", DELIVERIES),
    ]


def test_what_cannot_be_done_is_neither_done_nor_noted(connection: "redis.Redis", ada: Operator) -> None:
    accept(connection, resumes(1))
    (job_id,) = jobs_in(connection)["queued"]
    assert ada.requeue([job_id, "no-such-job"]) == []
    assert ada.delete(["no-such-job"]) == []
    assert (ada.requeue_all(DELIVERIES), ada.delete_all(DELIVERIES)) == (0, 0)
    assert trail(connection) == []


def test_all_failed_jobs_are_requeued_and_counted(connection: "redis.Redis", config: Config, ada: Operator) -> None:
    fail(connection, config, spread(10))
    seen: list[tuple[int, int]] = []
    assert ada.requeue_all(DELIVERIES, lambda done, total: seen.append((done, total))) == 10
    assert seen == [(10, 10)]
    work_off(connection, config)
    assert (used(connection), jobs_in(connection)) == (10, NOTHING)


def test_a_requeued_job_whose_worker_is_killed_is_a_failed_job_again(
    connection: "redis.Redis", config: Config, ada: Operator
) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    ada.requeue([job_id])
    killed = worker(DELIVERIES, connection, config)
    killed.dequeue_job_and_maintain_ttl(None)
    drain(connection, config)
    assert jobs_in(connection) == {**NOTHING, "failed": [job_id], "hashes": [f"rq:job:{job_id}"]}
    (job,) = ada.queues.failed(DELIVERIES, 1)
    assert job.reason == "The worker died while it held this job."
    assert ada.requeue([job_id]) == [job_id]
    work_off(connection, config)
    assert (used(connection), jobs_in(connection)) == (1, NOTHING)


def test_rq_info_reads_the_queues_during_a_pause_and_after_acts(
    connection: "redis.Redis", redis_server: RedisServer, config: Config, ada: Operator
) -> None:
    first, _ = fail(connection, config, resumes(2))
    ada.requeue([first])
    ada.pause(DELIVERIES)
    command = [sys.executable, "-m", "rq.cli", "info", "-S", "json", "-u", redis_server.url, "--raw"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert f"queue {DELIVERIES} 1, 0 executing, 0 finished, 1 failed" in told


@pytest.mark.parametrize(("act", "number"), [("requeue_all", 10_000), ("delete_all", 2000)])
def test_thousands_of_failed_jobs_are_dealt_with_in_few_round_trips(
    connection: Any, ada: Operator, act: str, number: int
) -> None:
    write_failed(connection, number)
    connection.hset(job_key("delivery-prod-m5"), "status", "queued")
    connection.delete(job_key("delivery-prod-m7"))
    seen: list[int] = []
    before = connection.info("stats")["total_reads_processed"]
    assert getattr(ada, act)(DELIVERIES, lambda done, _: seen.append(done)) == number - 2
    assert connection.info("stats")["total_reads_processed"] - before < number / 5
    assert seen == list(range(200, number + 1, 200))
    assert connection.zcard(f"rq:failed:{DELIVERIES}") == 0
    assert connection.exists(job_key("delivery-prod-m5"))
    assert connection.llen(f"rq:queue:{DELIVERIES}") == (number - 2 if act == "requeue_all" else 0)


def test_of_a_deleted_delivery_the_record_says_who_did_it_and_it_can_be_replayed(
    connection: "redis.Redis", config: Config, ada: Operator
) -> None:
    (job_id,) = fail(connection, config, resumes(1))
    assert ada.delete([job_id]) == [job_id]
    record = Inbox(connection, DEPLOYMENT).delivery("11111111-r0")
    assert record
    assert (record["deleted"]["by"], record["verdict"]["outcome"], record["owner"]) == ("ada", "unknown", "ada")
    assert "deleted its job" in record["verdict"]["reason"]
    work_off(connection, config)
    assert used(connection) == 0
    assert replay(Store(connection, DEPLOYMENT), "11111111-r0", "ada") is Replayed.QUEUED
    work_off(connection, config)
    assert used(connection) == 1
    record = Inbox(connection, DEPLOYMENT).delivery("11111111-r0")
    assert record
    assert record["verdict"]["outcome"] == "evidence"


def test_what_was_known_of_a_deleted_delivery_stays_known(
    connection: "redis.Redis", config: Config, ada: Operator
) -> None:
    """Killed between its record and its end, it ran again, failed, and was deleted: it is counted all the same."""
    (delivery,) = resumes(1)
    accept(connection, [delivery])
    work_off(connection, config)
    job = readyjob.delivery_job(*delivery)
    put(connection, job)
    connection.hset(job.key, "status", "failed")
    connection.zadd(f"rq:failed:{DELIVERIES}", {job.id: 4_000_000_000})
    assert ada.delete([job.id]) == [job.id]
    record = Inbox(connection, DEPLOYMENT).delivery("11111111-r0")
    assert record
    assert (record["verdict"]["outcome"], record["deleted"]["by"]) == ("evidence", "ada")
    assert replay(Store(connection, DEPLOYMENT), "11111111-r0", "ada") is Replayed.UNDERSTOOD


def test_poison_can_be_deleted(connection: "redis.Redis", config: Config, ada: Operator) -> None:
    job_id = dead_letter(connection, config)
    assert ada.delete_all(DELIVERIES) == 1
    assert jobs_in(connection) == NOTHING
    assert replay(Store(connection, DEPLOYMENT), "poison", "ada") is Replayed.NOT_KEPT
    assert job_id == "delivery-poison"


# ---- replay ----


def test_deliveries_that_were_not_understood_count_once_a_rule_speaks_of_them(
    connection: "redis.Redis", redis_server: RedisServer, config: Config, tmp_path: Any
) -> None:
    accept(connection, odd(3))
    work_off(connection, config)
    assert used(connection) == 0
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "odd"\nreason = "Odd."\noutcome = "evidence"\nevidence = "resumed"\n'
        'when = { name = "Odd News" }\n'
    )
    understanding = config_for(redis_server.url, rules=rules)
    for _ in range(2):
        tally = replay_unknown(Store(connection, DEPLOYMENT), "ada")
        work_off(connection, understanding)
    assert (tally.looked_at, tally.queued, used(connection)) == (3, 0, 3)


def test_a_replay_under_the_same_rules_changes_nothing(connection: "redis.Redis", config: Config) -> None:
    accept(connection, [*odd(2), *resumes(2)])
    work_off(connection, config)
    before = [Inbox(connection, DEPLOYMENT).delivery(name) for name in ("odd0", "odd1", "11111111-r0")]
    assert replay_unknown(Store(connection, DEPLOYMENT), "ada").queued == 2
    work_off(connection, config)
    assert [Inbox(connection, DEPLOYMENT).delivery(name) for name in ("odd0", "odd1", "11111111-r0")] == before
    assert (used(connection), jobs_in(connection)) == (2, NOTHING)


def test_only_what_arrived_since_is_replayed_and_progress_is_reported(
    connection: "redis.Redis", config: Config
) -> None:
    accept(connection, odd(5))
    work_off(connection, config)
    seen: list[tuple[int, int]] = []
    tally = replay_unknown(
        Store(connection, DEPLOYMENT), "ada", since=STARTED_AT + 3 * 86_400, progress=lambda *at: seen.append(at)
    )
    assert (tally.looked_at, tally.ids, seen) == (2, ["odd4", "odd3"], [(2, 2)])
    assert replay_unknown(Store(connection, DEPLOYMENT), "ada", most=1).looked_at == 1
    assert trail(connection)[0] == ("ada", "replay deliveries", "unrecognized, of the newest 2")


def test_a_replay_goes_through_many_pages(connection: "redis.Redis", config: Config) -> None:
    accept(connection, [(DEPLOYMENT, f"n{n}", STARTED_AT, {"notification_name": "Odd"}) for n in range(250)])
    work_off(connection, config)
    assert replay_unknown(Store(connection, DEPLOYMENT), "ada").queued == 250
    assert len(not_understood(Store(connection, DEPLOYMENT), among=210, most=20)) == 20


def test_one_delivery_is_replayed_by_its_id_or_it_is_said_why_not(connection: "redis.Redis", config: Config) -> None:
    ignored: Delivery = (DEPLOYMENT, "user", STARTED_AT, {"notification_name": "User account created"})
    accept(connection, [*odd(1), *resumes(1), ignored])
    work_off(connection, config)
    wishes = ("odd0", "odd0", "11111111-r0", "user", "never-seen")
    became = [replay(Store(connection, DEPLOYMENT), one, "ada") for one in wishes]
    assert became[:3] == [Replayed.QUEUED, Replayed.UNDER_WAY, Replayed.UNDERSTOOD]
    assert became[4] is Replayed.NOT_KNOWN
    assert trail(connection)[0] == ("ada", "replay delivery", "odd0")


def test_two_operators_replay_a_delivery_once(
    redis_server: RedisServer, connection: "redis.Redis", config: Config
) -> None:
    accept(connection, odd(20))
    work_off(connection, config)
    both: list[int] = []

    def operate() -> None:
        both.append(replay_unknown(Store(connection, DEPLOYMENT), "x").queued)

    threads = [threading.Thread(target=operate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(both) == 20
    assert len(jobs_in(connection)["queued"]) == 20


def test_a_delivery_that_was_understood_since_it_was_read_is_not_queued_again(
    connection: "redis.Redis", config: Config
) -> None:
    """Its evidence may be consumed by a proof since then, and would be another provisional record."""
    accept(connection, odd(1))
    work_off(connection, config)
    read = Kept(connection, DEPLOYMENT).find("odd0")
    assert read
    understood = json.dumps({**read.record, "verdict": {"outcome": "evidence"}})
    connection.set(f"awb:v1:{DEPLOYMENT}:delivery:odd0", understood)
    job = readyjob.ready_job("again", DELIVERIES, jobqueue.CLASSIFY, [], "again")
    assert not Kept(connection, DEPLOYMENT).queue_again(read, job)
    assert jobs_in(connection)["queued"] == []


def test_a_replay_harms_no_failed_job_of_a_like_name(connection: "redis.Redis", config: Config) -> None:
    """“a” with “b-c” and “a-b” with “c” share a job's name, but not a replay's."""
    (failed,) = fail(connection, config, [("a", "b-c", STARTED_AT, {"notification_name": "Odd"})])
    accept(connection, [("a-b", "c", STARTED_AT, {"notification_name": "Odd"})])
    work_off(connection, config)
    assert replay(Store(connection, "a-b"), "c", "ada") is Replayed.QUEUED
    assert jobs_in(connection)["failed"] == [failed]
    assert connection.hget(job_key(failed), "status") == b"failed"


def test_a_delivery_whose_replay_failed_can_be_replayed_again(connection: "redis.Redis", config: Config) -> None:
    accept(connection, odd(1))
    work_off(connection, config)
    replay(Store(connection, DEPLOYMENT), "odd0", "ada")
    (job_id,) = jobs_in(connection)["queued"]
    bad = '["workers.jobs.classify_delivery",null,[1],{}]'
    connection.hset(job_key(job_id), mapping={"retries_left": 0, "data": bad})
    work_off(connection, config)
    assert jobs_in(connection)["failed"] == [job_id]
    assert replay(Store(connection, DEPLOYMENT), "odd0", "ada") is Replayed.QUEUED
    assert (jobs_in(connection)["failed"], jobs_in(connection)["queued"]) == ([], [job_id])
    work_off(connection, config)
    assert jobs_in(connection) == NOTHING


# ---- quarantine ----


@pytest.fixture
def inbox(connection: "redis.Redis") -> Inbox:
    return Inbox(connection, DEPLOYMENT)


def put_aside(inbox: Inbox, message_id: str, body: bytes, at: float = STARTED_AT, *, keep: bool = True) -> None:
    inbox.quarantine(message_id, at, "was not read then", body, keep=keep)


def test_a_body_that_can_be_read_now_is_released_and_counted_once(
    connection: "redis.Redis", config: Config, inbox: Inbox
) -> None:
    put_aside(inbox, "m1", notification("m1"))
    assert release(Store(connection, DEPLOYMENT), "m1", "ada") is Released.QUEUED
    put_aside(inbox, "m1", notification("m1"))
    assert release(Store(connection, DEPLOYMENT), "m1", "ada") is Released.DUPLICATE
    assert release(Store(connection, DEPLOYMENT), "m1", "ada") is Released.NOT_KNOWN
    work_off(connection, config)
    record = inbox.delivery("m1")
    assert record
    assert (used(connection), record["received_at"], inbox.quarantined()) == (1, STARTED_AT, [])
    assert trail(connection)[0] == ("ada", "release from quarantine", "m1")


def test_a_body_without_an_id_counts_once_by_what_it_says(
    connection: "redis.Redis", config: Config, inbox: Inbox
) -> None:
    for _ in range(2):
        receipt = take(inbox, notification(None), None)
        release(Store(connection, DEPLOYMENT), receipt.message_id, "ada")
    work_off(connection, config)
    assert used(connection) == 1


def test_a_release_does_not_set_back_when_coder_last_posted(connection: "redis.Redis", inbox: Inbox) -> None:
    accept(connection, [(DEPLOYMENT, "new", STARTED_AT + 100, {})])
    put_aside(inbox, "m1", notification("m1"))
    release(Store(connection, DEPLOYMENT), "m1", "ada")
    assert inbox.stats()["last_delivery_at"] == STARTED_AT + 100


def test_a_body_that_is_still_no_notification_stays(connection: "redis.Redis", inbox: Inbox) -> None:
    put_aside(inbox, "m1", b"{}")
    put_aside(inbox, "m2", b"secret", keep=False)
    assert release(Store(connection, DEPLOYMENT), "m1", "ada") is Released.UNREADABLE
    assert release(Store(connection, DEPLOYMENT), "m2", "ada") is Released.NOT_KEPT
    assert len(inbox.quarantined()) == 2
    assert trail(connection) == []


def test_a_discarded_body_is_gone(connection: Any, inbox: Inbox) -> None:
    put_aside(inbox, "m1", b"planted")
    assert discard(Store(connection, DEPLOYMENT), "m1", "ada")
    assert not discard(Store(connection, DEPLOYMENT), "m1", "ada")
    assert (inbox.quarantined(), connection.keys("*quarantine*")) == ([], [])
    assert trail(connection) == [("ada", "discard from quarantine", "m1, 7 bytes")]


@pytest.mark.parametrize(
    ("body", "content", "note"),
    [
        (b'{"payload": {"user_email": "planted", "labels": {"task": "planted prompt", "workspace": "w"}}}',
         {"payload": {"user_email": "[not stored]", "labels": {"task": "[not stored]", "workspace": "w"}}}, ""),
        (b'[{"token": "planted"}]', [{"token": "[not stored]"}], ""),
        (b'{"prompt": "planted', None, "It is not JSON (Unterminated string starting at, line 1, column 12)"),
        (b"password=planted", None, "It is not JSON (Expecting value, line 1, column 1)"),
        (b'{"a": "\xff planted"}', None, "It is not valid JSON"),
        (b"[" * 100_000, None, "It is not valid JSON"),
    ],
)  # fmt: skip
def test_a_body_is_shown_without_what_must_not_be_shown(
    connection: "redis.Redis", inbox: Inbox, body: bytes, content: Any, note: str
) -> None:
    put_aside(inbox, "m1", body)
    shown = show(Store(connection, DEPLOYMENT), "m1")
    assert shown
    assert shown.content == content
    assert shown.note.startswith(note)
    assert "planted" not in repr((shown.content, shown.note, shown.problem))
    assert shown.problem
    assert shown.body.received_at == datetime.fromtimestamp(STARTED_AT, UTC)


def test_a_body_that_was_not_kept_says_so(connection: "redis.Redis", inbox: Inbox) -> None:
    put_aside(inbox, "m1", b"passcode", keep=False)
    shown = show(Store(connection, DEPLOYMENT), "m1")
    assert shown
    assert (shown.content, shown.note) == (None, "It might contain a secret, so only its size was stored.")
    assert show(Store(connection, DEPLOYMENT), "m2") is None
