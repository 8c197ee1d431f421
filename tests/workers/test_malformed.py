"""Whatever lies in Redis in a job's place is buried as failed, once, and the worker goes on."""

import json
import os
import pickle
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue

from app.config.load import Config
from app.store.rq import jobqueue, readyjob
from tests.conftest import RedisServer
from tests.pipeline.streams import config_for, resumes, used
from tests.workers.make import NOTHING, accept, bring_back, drain, jobs_in, put

#: A callback that would leave a file in the working directory, if anybody ran it.
CALLBACK = "os.mkdir"


def data(function: Any = jobqueue.CLASSIFY, args: Any = (), kwargs: Any = None, instance: Any = None) -> bytes:
    return json.dumps([function, instance, args, kwargs or {}]).encode()


#: Fields that are written over those of a sound job; None takes the field out.
KINDS: dict[str, Mapping[str, Any]] = {
    "noise": {"data": b"\xff\x00\xfe"},
    "noise, compressed": {"data": zlib.compress(b"\xff\x00\xfe")},
    "half of a compressed text": {"data": zlib.compress(b"x" * 1000)[:20]},
    "no data": {"data": None},
    "empty data": {"data": b""},
    "a number": {"data": b"5"},
    "deep nesting": {"data": b"[" * 100_000},
    "a foreign function": {"data": data("os.system", ["true"])},
    "a function that is a list": {"data": data(["os.system"])},
    "a function that is null": {"data": data(None)},
    "arguments that are a text": {"data": data(args="abc")},
    "named arguments": {"data": data(kwargs={"a": 1})},
    "an instance": {"data": data(instance={"a": 1})},
    "a pickle": {"data": pickle.dumps((jobqueue.CLASSIFY, None, (), {}))},
    "a success callback": {"success_callback_name": CALLBACK},
    "a failure callback": {"failure_callback_name": CALLBACK},
    "a stopped callback": {"stopped_callback_name": CALLBACK},
    "a callback that is no text": {"success_callback_name": b"\xff\xfe"},
    "a callback's timeout": {"success_callback_name": CALLBACK, "success_callback_timeout": "soon"},
    "a webhook": {"webhooks": json.dumps([{"url": "http://127.0.0.1:9/"}])},
    "a dependency": {"dependency_ids": json.dumps(["other"])},
    "dependencies that are no JSON": {"dependency_ids": "other"},
    "a group": {"group_id": "others"},
    "a rate limit": {"rate_limit_key": "x", "rate_limit_concurrency": "1"},
    "a timeout that is a text": {"timeout": "soon"},
    "no timeout": {"timeout": None},
    "an endless timeout": {"timeout": "-1"},
    "a huge timeout": {"timeout": "9" * 30},
    "a status that is none": {"status": "asleep"},
    "a status that is no text": {"status": b"\xff"},
    "a time that is none": {"created_at": "yesterday"},
    "another time that is none": {"enqueued_at": b"\xff"},
    "a lifetime that is a text": {"result_ttl": "long"},
    "retries that are a text": {"retries_left": "many"},
    "intervals that are an object": {"retry_intervals": "{}"},
    "intervals that are no JSON": {"retry_intervals": "often"},
    "intervals of texts": {"retry_intervals": '["soon"]'},
    "a description that is no text": {"description": b"\xff"},
    "an origin that is no text": {"origin": b"\xff"},
    "a worker that is no text": {"worker_name": b"\xff"},
}


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return config_for(redis_server.url)


def malformed(connection: "redis.Redis", queue: str, kind: str) -> str:
    """Queue a job, and spoil it."""
    args = [] if queue != jobqueue.DELIVERIES else ["prod", "m", "{}", 1.0]
    job = readyjob.ready_job("spoilt", queue, jobqueue.CLASSIFY, args, "spoilt")
    put(connection, job)
    for name, value in KINDS[kind].items():
        if value is None:
            connection.hdel(job.key, name)
        else:
            connection.hset(job.key, name, value)
    return job.id


@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_job_is_buried_and_the_worker_goes_on(
    connection: "redis.Redis", config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    deliveries = resumes(4)
    accept(connection, deliveries[:2])
    spoilt = malformed(connection, jobqueue.DELIVERIES, kind)
    accept(connection, deliveries[2:])
    drain(connection, config)
    assert used(connection) == 4
    left = jobs_in(connection)
    assert left == {**NOTHING, "failed": [spoilt], "hashes": [f"rq:job:{spoilt}"]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["noise", "no data", "a failure callback", "a status that is none"])
@pytest.mark.parametrize("queue", [name for name in jobqueue.QUEUES if name != jobqueue.DELIVERIES])
def test_so_it_is_in_every_queue(connection: "redis.Redis", config: Config, queue: str, kind: str) -> None:
    spoilt = malformed(connection, queue, kind)
    drain(connection, config, queue)
    assert jobs_in(connection, queue) == {**NOTHING, "failed": [spoilt], "hashes": [f"rq:job:{spoilt}"]}


@pytest.mark.parametrize("kind", ["noise", "no data", "a status that is none", "retries that are a text"])
def test_a_malformed_job_that_is_to_be_tried_again_holds_no_other(
    connection: "redis.Redis", config: Config, kind: str
) -> None:
    spoilt = malformed(connection, jobqueue.DELIVERIES, kind)
    connection.lrem(jobqueue.queue_key(jobqueue.DELIVERIES), 0, spoilt)
    registry = jobqueue.queue(jobqueue.DELIVERIES, connection).scheduled_job_registry.key
    connection.zadd(registry, {spoilt: 1.0})
    bring_back(connection, config)
    drain(connection, config)
    assert jobs_in(connection) == {**NOTHING, "failed": [spoilt], "hashes": [f"rq:job:{spoilt}"]}


@pytest.mark.parametrize("other", ["list", "text", "nothing"])
def test_what_is_no_job_at_all_is_passed_over(connection: "redis.Redis", config: Config, other: str) -> None:
    if other == "list":
        connection.rpush("rq:job:odd", "x")
    elif other == "text":
        connection.set("rq:job:odd", "x")
    deliveries = resumes(4)
    for place in range(0, 4, 2):
        accept(connection, deliveries[place : place + 2])
        connection.rpush(jobqueue.queue_key(jobqueue.DELIVERIES), "odd")
    drain(connection, config)
    assert used(connection) == 4


def test_a_job_that_rq_made_without_our_serializer_is_buried(
    connection: "redis.Redis", config: Config, tmp_path: Path
) -> None:
    job = Queue(jobqueue.DELIVERIES, connection=connection).enqueue(
        os.mkdir, str(tmp_path / "made"), on_success=None, on_failure=None
    )
    drain(connection, config)
    assert jobs_in(connection)["failed"] == [job.id]
    assert list(tmp_path.iterdir()) == []
