"""Workers: batches leave no trace, bad jobs stand aside, and a killed worker's jobs are done by the next."""

import os
import pickle
import random
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from redis.connection import AbstractConnection
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app.config.load import Config
from app.core.count.meter import AWB
from app.pipeline.watch.losses import examine
from app.pipeline.watch.warn import warn
from app.simulator.sinks import SlackSink
from app.store.rq import jobqueue, readyjob, turns
from app.store.server.connection import script
from app.store.store import Store
from tests.conftest import PATIENCE, RedisServer, wait_until
from tests.pipeline.fragile import Fuse, fragile
from tests.pipeline.streams import (
    DEPLOYMENT,
    books,
    config_for,
    deliveries_of,
    levels,
    messages_of,
    outbox,
    resumes,
    run,
    spread,
    to_slack_and_mail,
    used,
)
from tests.workers.make import NOTHING, ROOT, accept, awb, bring_back, drain, environment, jobs_in, put, put_poison
from workers import jobs, runner


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return config_for(redis_server.url)


@pytest.mark.parametrize("number", [10, runner.BATCH, runner.BATCH + 10, 3 * runner.BATCH + 70])
def test_a_worker_drains_its_queue_in_batches_and_leaves_no_job_behind(
    connection: "redis.Redis", config: Config, number: int
) -> None:
    accept(connection, spread(number))
    drained = drain(connection, config)
    assert used(connection) == number
    assert jobs_in(connection) == NOTHING
    assert int(connection.hget(drained.key, "successful_job_count") or 0) == number
    assert not connection.hget(drained.key, "failed_job_count")
    assert [key for key in connection.keys("rq:*") if b":awb-" in key and b"worker" not in key] == []


def test_a_batch_gives_the_same_books_as_its_deliveries_one_by_one(connection: "redis.Redis", config: Config) -> None:
    deliveries = deliveries_of(messages_of(5, 80))
    for one in deliveries:
        run(connection, config, [one])
    one_by_one = books(connection)
    connection.flushall()
    accept(connection, deliveries)
    drain(connection, config)
    assert books(connection) == one_by_one


@pytest.mark.parametrize("place", [0, 17, 49])
def test_one_bad_job_among_fifty_ends_as_dead_letter_and_the_others_are_counted(
    connection: "redis.Redis", config: Config, place: int
) -> None:
    good = resumes(49)
    with time_machine.travel(good[-1][2] + 60) as clock:
        accept(connection, good[:place])
        poison = put_poison(connection)
        accept(connection, good[place:])
        drain(connection, config)
        assert used(connection) == 49
        assert jobs_in(connection) == {**NOTHING, "scheduled": [poison], "hashes": [f"rq:job:{poison}"]}
        for seconds in jobqueue.RETRY_INTERVALS:
            [(_, due)] = connection.zrange("rq:scheduled:awb-deliveries", 0, -1, withscores=True)
            # RQ counts whole seconds; the clock goes on while a busy machine works.
            assert due - time.time() == pytest.approx(seconds, abs=min(seconds, 30))
            clock.shift(timedelta(seconds=seconds + 1))
            bring_back(connection, config)
            assert jobs_in(connection)["queued"] == [poison]
            drain(connection, config)
    assert jobs_in(connection) == {**NOTHING, "failed": [poison], "hashes": [f"rq:job:{poison}"]}
    assert used(connection) == 49


def test_a_failed_job_runs_alone_and_takes_no_neighbour_with_it(connection: "redis.Redis", config: Config) -> None:
    accept(connection, resumes(3))
    job = Job.fetch("delivery-prod-11111111-r1", connection=connection, serializer=JSONSerializer)
    connection.hset(job.key, "retries_left", 1)
    drained = drain(connection, config)
    assert used(connection) == 3
    assert jobs_in(connection) == NOTHING
    assert int(connection.hget(drained.key, "successful_job_count") or 0) == 3


def _foreign(kind: str, connection: "redis.Redis", queue: str, target: Path) -> str:
    """Queue a job that is none of ours and return its id."""
    if kind == "pickle":
        return str(Queue(queue, connection=connection).enqueue(os.system, f"touch {target}").id)
    if kind == "json":
        job = readyjob.ready_job("foreign", queue, "os.system", [f"touch {target}"], "foreign")
    else:
        job = readyjob.ready_job("foreign", queue, jobqueue.CLASSIFY, [], "foreign")
    put(connection, job)
    raw = {"number": b"5", "text": b'"x"', "short": b"[1,2]", "noise": b"\xff\x00", "empty": b""}.get(kind)
    if raw is not None:
        connection.hset(job.key, "data", raw)
    if kind == "evil":
        connection.hset(job.key, "data", pickle.dumps(["workers.jobs.classify_delivery", None, (), {}]))
    return job.id


@pytest.mark.parametrize("queue", jobqueue.QUEUES)
@pytest.mark.parametrize("kind", ["pickle", "json"])
def test_a_job_of_a_foreign_function_is_refused_and_not_run(
    connection: "redis.Redis", config: Config, tmp_path: Path, queue: str, kind: str
) -> None:
    target = tmp_path / "touched"
    refused = _foreign(kind, connection, queue, target)
    drain(connection, config, queue)
    assert not target.exists()
    assert jobs_in(connection, queue) == {**NOTHING, "failed": [refused], "hashes": [f"rq:job:{refused}"]}


@pytest.mark.parametrize("kind", ["pickle", "json", "evil", "number", "text", "short", "noise", "empty"])
@pytest.mark.parametrize("first", [True, False])
def test_a_foreign_job_in_the_midst_of_deliveries_does_not_stop_them(
    connection: "redis.Redis", config: Config, tmp_path: Path, kind: str, first: bool
) -> None:
    target = tmp_path / "touched"
    deliveries = resumes(6)
    accept(connection, deliveries[: 0 if first else 3])
    foreign = _foreign(kind, connection, jobqueue.DELIVERIES, target)
    accept(connection, deliveries[0 if first else 3 :])
    drain(connection, config)
    assert used(connection) == 6
    assert not target.exists()
    left = jobs_in(connection)
    assert left["queued"] == left["intermediate"] == left["started"] == []
    assert left["failed"] + left["scheduled"] == [foreign]


def test_a_job_whose_hash_is_gone_is_passed_over(connection: "redis.Redis", config: Config) -> None:
    accept(connection, resumes(5))
    connection.delete("rq:job:delivery-prod-11111111-r0", "rq:job:delivery-prod-11111111-r3")
    drain(connection, config)
    assert used(connection) == 3
    # RQ's maintenance drops from the intermediate list what has no hash.
    assert jobs_in(connection) == {**NOTHING, "intermediate": ["delivery-prod-11111111-r0"]}
    drain(connection, config)
    assert jobs_in(connection) == NOTHING


def test_what_a_dead_worker_left_in_the_intermediate_list_is_done_by_the_next(
    connection: "redis.Redis", config: Config
) -> None:
    accept(connection, resumes(12))
    queue = jobqueue.queue(jobqueue.DELIVERIES, connection)
    for _ in range(8):
        connection.lmove(queue.key, queue.intermediate_queue_key)
    with time_machine.travel(resumes(1)[0][2] + 60) as clock:
        drain(connection, config)
        assert used(connection) == 4
        clock.shift(timedelta(seconds=6))
        bring_back(connection, config)
        drain(connection, config)
    assert used(connection) == 12
    assert jobs_in(connection) == NOTHING


def test_a_dead_worker_of_the_same_host_and_process_id_does_not_keep_the_next_from_starting(
    connection: "redis.Redis", config: Config
) -> None:
    accept(connection, resumes(3))
    runner.worker(jobqueue.DELIVERIES, connection, config).register_birth()
    drain(connection, config)
    assert used(connection) == 3


def test_a_full_redis_does_not_lose_what_a_dead_worker_left(connection: "redis.Redis", config: Config) -> None:
    accept(connection, resumes(12))
    queue = jobqueue.queue(jobqueue.DELIVERIES, connection)
    for _ in range(8):
        connection.lmove(queue.key, queue.intermediate_queue_key)
    connection.config_set("maxmemory", 1)
    try:
        with pytest.raises((redis.exceptions.RedisError, RuntimeError)):
            drain(connection, config)
    finally:
        connection.config_set("maxmemory", 0)
    with time_machine.travel(resumes(1)[0][2] + 60) as clock:
        for _ in range(4):
            drain(connection, config)
            clock.shift(timedelta(seconds=90))
            bring_back(connection, config)
    assert used(connection) == 12
    assert jobs_in(connection) == NOTHING


def test_whichever_command_fails_while_a_worker_adopts_no_job_falls_out_of_every_list(
    connection: "redis.Redis", redis_server: RedisServer, config: Config
) -> None:
    def adopt(breaking_at: int) -> int:
        """Adopt one job while one command fails, and return how many commands it took."""
        connection.flushall()
        accept(connection, resumes(1))
        queue = jobqueue.queue(jobqueue.DELIVERIES, connection)
        connection.lmove(queue.key, queue.intermediate_queue_key)
        fuse = Fuse(heals=True)
        built = runner.worker(jobqueue.DELIVERIES, fragile(redis_server.url, fuse), config)
        fuse.at, fuse.sent = breaking_at, 0
        with suppress(redis.exceptions.RedisError, RuntimeError):
            runner.adopt(built)
        return fuse.sent

    commands = adopt(0)
    assert commands > 3
    for at in range(1, commands + 1):
        adopt(at)
        left = jobs_in(connection)
        assert left["intermediate"] + left["scheduled"] != [], at


def test_whichever_command_fails_while_a_failure_is_booked_the_job_is_still_known(
    connection: "redis.Redis", redis_server: RedisServer, config: Config
) -> None:
    def fail(breaking_at: int) -> int:
        """Run a job that fails while one command fails, and return how many commands it took."""
        connection.flushall()
        connection.hset(f"rq:job:{put_poison(connection)}", "retries_left", 2)
        fuse = Fuse(heals=True)
        built = runner.worker(jobqueue.DELIVERIES, fragile(redis_server.url, fuse), config)
        built.register_birth()
        [queue] = built.queues
        job = queue.fetch_job(connection.lmove(queue.key, queue.intermediate_queue_key).decode())
        fuse.at, fuse.sent = breaking_at, 0
        with suppress(redis.exceptions.RedisError, RuntimeError):
            built.execute_job(job, queue)
        return fuse.sent

    for at in range(1, fail(0) + 1):
        fail(at)
        with time_machine.travel(timedelta(minutes=10)):
            drain(connection, config)
        left = jobs_in(connection)
        assert left["intermediate"] + left["scheduled"] + left["failed"] == ["delivery-poison"], at


@pytest.mark.parametrize("heals", [True, False])
@pytest.mark.parametrize("alone", [True, False])
def test_whichever_command_fails_in_a_worker_every_delivery_is_counted_in_the_end(
    connection: "redis.Redis", redis_server: RedisServer, config: Config, alone: bool, heals: bool
) -> None:
    deliveries = resumes(2)

    def work(breaking_at: int) -> int:
        """Work while one command fails, or all from it on, and return how many commands it took."""
        connection.flushall()
        accept(connection, deliveries)
        for job in jobqueue.queue(jobqueue.DELIVERIES, connection).jobs if alone else []:
            connection.hset(job.key, "retries_left", 2)
        fuse = Fuse(heals=heals)
        built = runner.worker(jobqueue.DELIVERIES, fragile(redis_server.url, fuse), config)
        built.register_birth()
        [queue] = built.queues
        job = queue.fetch_job(connection.lmove(queue.key, queue.intermediate_queue_key).decode())
        fuse.at, fuse.sent = breaking_at, 0
        with suppress(redis.exceptions.RedisError, RuntimeError):
            built.execute_job(job, queue)
        return fuse.sent

    commands = work(0)
    for at in range(1, commands + 1):
        work(at)
        with time_machine.travel(timedelta(0)) as clock:
            for _ in range(4):
                if used(connection) == 2 and jobs_in(connection) == NOTHING:
                    break
                clock.shift(timedelta(minutes=10))
                # Redis has a clock of its own, which does not travel.
                for lock in connection.scan_iter(match="rq:*clean_registries*"):
                    connection.delete(lock)
                bring_back(connection, config)
                drain(connection, config)
        assert used(connection) == 2, at
        assert jobs_in(connection)["failed"] == [], at


@pytest.mark.parametrize("seed", range(2))
def test_a_worker_killed_in_the_middle_of_a_thousand_deliveries_loses_and_doubles_none(
    connection: "redis.Redis", redis_server: RedisServer, seed: int
) -> None:
    settings = to_slack_and_mail("http://127.0.0.1:1/services/T/B/x", limit=1000)
    config, deliveries = config_for(redis_server.url, **settings), spread(1000)
    accept(connection, deliveries)
    waiting, rng = jobqueue.queue_key(jobqueue.DELIVERIES), random.Random(seed)
    for _ in range(2):
        victim = awb("worker", jobqueue.DELIVERIES, redis_url=redis_server.url, **settings)
        before = connection.llen(waiting)
        until = before - rng.randint(1, before * 2 // 3)
        wait_until(lambda until=until: connection.llen(waiting) <= until)
        victim.kill()
        victim.wait()
    assert any(jobs_in(connection)[place] for place in ("queued", "intermediate"))
    with time_machine.travel(timedelta(0)) as clock:
        for _ in range(4):
            drain(connection, config)
            clock.shift(timedelta(seconds=70))
            bring_back(connection, config)
        # What was counted just before a kill is announced by the next sweep.
        warn(Store(connection, DEPLOYMENT), config, AWB)
    assert jobs_in(connection) == NOTHING
    assert used(connection) == 1000
    assert books(connection)["verdicts"].keys() == {f"awb:v1:prod:delivery:{one}" for _, one, _, _ in deliveries}
    assert set(levels(connection).values()) == {2}
    assert {row["level"] for row in outbox(connection)} >= {"100%"}


def test_a_worker_that_has_to_stop_finishes_its_batch_first(
    connection: "redis.Redis", redis_server: RedisServer
) -> None:
    accept(connection, spread(2000))
    stopped = awb("worker", jobqueue.DELIVERIES, redis_url=redis_server.url)
    wait_until(lambda: used(connection) > 0)
    stopped.terminate()
    assert stopped.wait(PATIENCE) == 0
    left = jobs_in(connection)
    assert left["started"] == left["scheduled"] == left["failed"] == []
    # One may have been on its way out of the queue; the next worker finds it there.
    assert len(left["intermediate"]) <= 1
    waiting = len(left["queued"]) + connection.llen(turns.own_queue(DEPLOYMENT))
    assert 0 < used(connection) == 2000 - waiting - len(left["intermediate"])


def test_a_stock_rq_worker_can_drain_our_queue(connection: "redis.Redis", redis_server: RedisServer) -> None:
    # It forks for every job, and imports everything each time.
    deliveries = deliveries_of(messages_of(7, 12))[:3]
    run(connection, config_for(redis_server.url), deliveries)
    expected = books(connection)
    assert expected["records"]
    connection.flushall()
    accept(connection, deliveries)
    stock = Path(sys.executable).with_name("rq")
    command = [str(stock), "worker", "-S", "json", "--burst", "--url", redis_server.url, jobqueue.DELIVERIES]
    done = subprocess.run(
        command, env=environment(redis_server.url), cwd=ROOT, capture_output=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert books(connection) == expected
    assert jobs_in(connection) == NOTHING


def test_rq_shows_no_payload_and_no_person(connection: "redis.Redis", redis_server: RedisServer) -> None:
    accept(connection, resumes(1))
    [job] = jobqueue.queue(jobqueue.DELIVERIES, connection).jobs
    assert "ada" not in job.description
    assert "write-tests" not in job.description


def test_a_notification_that_fails_comes_back_and_is_sent(connection: "redis.Redis", redis_server: RedisServer) -> None:
    with SlackSink() as slack, time_machine.travel(timedelta(0)) as clock:
        config = config_for(redis_server.url, slack_webhook_url=slack.url, limit=1)
        run(connection, config, resumes(1))
        slack.fail_next(2, 500)
        for delay in (5, 15):
            drain(connection, config, jobqueue.NOTIFICATIONS)
            [(_, due)] = connection.zrange("rq:scheduled:awb-notifications", 0, -1, withscores=True)
            assert due - time.time() == pytest.approx(delay, abs=delay)
            clock.shift(timedelta(seconds=delay * 1.2 + 1))
            bring_back(connection, config)
        drain(connection, config, jobqueue.NOTIFICATIONS)
        assert len(slack.messages) == 1
    assert [(row["state"], row["attempts"]) for row in outbox(connection)] == [("sent", 3)]
    assert jobs_in(connection, jobqueue.NOTIFICATIONS) == NOTHING


@pytest.mark.usefixtures("jobs_run")
@pytest.mark.parametrize("path", sorted(jobqueue.FUNCTIONS))
def test_every_function_that_a_queue_may_name_exists(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert module == jobs.__name__
    assert callable(getattr(jobs, name))


def test_scripts_that_redis_forgot_are_sent_again(connection: "redis.Redis", config: Config) -> None:
    for number, delivery in enumerate(resumes(3), 1):
        connection.script_flush()
        accept(connection, [delivery])
        drain(connection, config)
        assert connection.llen(jobqueue.queue_key(jobqueue.DELIVERIES)) == 0
        assert len(books(connection)["verdicts"]) == number


def test_a_single_delivery_is_counted_within_six_round_trips_and_done_within_eighteen(
    connection: "redis.Redis", redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    send = AbstractConnection.send_packed_command

    def noted(self: Any, command: Any, check_health: bool = True) -> None:  # noqa: FBT002 - redis-py's own
        sent.append(b"".join([command] if isinstance(command, bytes) else command))
        send(self, command, check_health)

    config = config_for(redis_server.url, data_dir=tmp_path)
    first, second = resumes(2)
    accept(connection, [first])
    drain(connection, config)
    # From now on, this machine compares Redis with what it last saw.
    examine(connection, config)
    accept(connection, [second])
    monkeypatch.setattr(AbstractConnection, "send_packed_command", noted)
    drain(connection, config)
    taken, looked_again = [n for n, command in enumerate(sent) if b"LMOVE" in command]
    counting = script(connection, "update_records").sha.encode()
    counted = next(n for n, command in enumerate(sent) if counting in command)
    assert counted - taken <= 6
    assert looked_again - taken <= 18
