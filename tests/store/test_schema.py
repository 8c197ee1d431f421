"""The schema: noted, migrated, refused in a clear sentence, and one step back."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.job import Job
from rq.serializers import JSONSerializer

from app.core.count.meter import AWB
from app.core.schema import READABLE_FROM, VERSION, Schema, SchemaError
from app.store import keys
from app.store.alert.alerts import Alerts
from app.store.alert.outbox import Outbox
from app.store.receive.inbox import Inbox
from app.store.rq import plainjob, readyjob
from app.store.rq.enqueue import enqueue
from app.store.schema import MIGRATIONS, Migration, prepare, read_schema
from tests.conftest import SECRET, RedisServer
from tests.store.make import DEPLOYMENT, NOW, notification
from workers import jobs


def noting(*versions: int) -> list[Migration]:
    """Return migrations that only note that they were made."""
    return [Migration(to, f"step {to}", lambda store, to=to: store.rpush("made", to)) for to in versions]  # type: ignore[misc]


def made(connection: Any) -> list[int]:
    return [int(item) for item in connection.lrange("made", 0, -1)]


def test_an_empty_redis_is_given_the_present_version_without_a_migration(connection: "redis.Redis") -> None:
    prepare(connection, 3, 2, noting(2, 3))
    assert read_schema(connection) == Schema(3, 2)
    assert made(connection) == []


def test_data_without_a_note_is_migrated_from_the_first_version_once(connection: "redis.Redis") -> None:
    connection.sadd(keys.DEPLOYMENTS, DEPLOYMENT)
    for _ in range(2):
        prepare(connection, 3, 2, noting(2, 3, 4))
    assert made(connection) == [2, 3]
    assert read_schema(connection) == Schema(3, 2)


def test_an_upgrade_makes_only_what_is_missing(connection: "redis.Redis") -> None:
    prepare(connection, 2, 1, [])
    prepare(connection, 4, 3, noting(2, 3, 4))
    assert made(connection) == [3, 4]


def test_a_newer_schema_that_is_readable_is_worked_with_and_migrated_anew_when_the_newer_version_returns(
    connection: "redis.Redis",
) -> None:
    prepare(connection, 3, 2, noting(2, 3))
    prepare(connection, 2, 1, noting(2))
    assert read_schema(connection) == Schema(3, 2, 2)
    prepare(connection, 3, 2, noting(2, 3))
    assert made(connection) == [3]
    assert read_schema(connection) == Schema(3, 2)


def test_a_newer_schema_that_is_not_readable_is_refused_and_left_as_it_is(connection: "redis.Redis") -> None:
    prepare(connection, 4, 3, [])
    with pytest.raises(
        SchemaError, match=r"schema 4, which this version \(schema 2\) cannot read; .*Start the version"
    ):
        prepare(connection, 2, 1, noting(2))
    assert read_schema(connection) == Schema(4, 3)
    assert made(connection) == []


def test_a_migration_that_fails_is_made_again_and_those_before_it_are_not(connection: Any) -> None:
    def fails(_connection: Any) -> None:
        raise RuntimeError("killed")

    connection.sadd(keys.DEPLOYMENTS, DEPLOYMENT)
    with pytest.raises(RuntimeError):
        prepare(connection, 3, 2, [*noting(2), Migration(3, "fails", fails)])
    prepare(connection, 3, 2, noting(2, 3))
    assert made(connection) == [2, 3]


def test_the_migrations_are_in_order_and_lead_to_the_present_version() -> None:
    versions = [migration.to for migration in MIGRATIONS]
    assert versions == sorted(set(versions))
    assert versions[-1] <= VERSION
    assert READABLE_FROM == VERSION - 1


def test_the_upgrade_from_the_first_version_has_everything_counted_again(connection: Any) -> None:
    connection.hset(keys.MARKS, mapping={"ai_templates": "0123", "last_sweep_at": 1})
    prepare(connection)
    assert connection.hkeys(keys.MARKS) == [b"last_sweep_at"]


def test_jobs_carry_the_version(connection: Any) -> None:
    Inbox(connection, DEPLOYMENT).accept(readyjob.delivery_job(DEPLOYMENT, "m1", 1.0, {}), "m1", 1.0)
    enqueue(connection, plainjob.sweep_job(1))
    for job_id in ("delivery-prod-m1", "sweep-1"):
        job = Job.fetch(job_id, connection=connection, serializer=JSONSerializer)
        assert job.meta == {"schema": VERSION}


def test_jobs_of_another_version_are_understood(connection: Any, jobs_run: None) -> None:
    payload = {"notification_name": "Task Resumed", "targets": ["w1"], "labels": {"workspace": "w"}}
    jobs.classify_delivery("prod", "m1", NOW.timestamp(), payload, "newer")
    jobs.classify_deliveries([["prod", "m2", NOW.timestamp(), payload, "newer"]])
    Outbox(connection, "prod").add([notification("n1")], NOW)
    jobs.send_notification("prod", "n1", "newer")
    jobs.sweep(1, "newer")
    jobs.recount("0123", "newer")
    assert connection.zcard(keys.records("prod", AWB)) == 2
    assert Outbox(connection, "prod").history()[0]["attempts"] == 1
    assert Alerts(connection, "prod").state(AWB)[0] > 0


def test_a_part_that_starts_after_an_upgrade_migrates(
    connection: Any, redis_server: RedisServer, short_dir: Path
) -> None:
    connection.hset(keys.MARKS, "ai_templates", "0123")
    done = awb(redis_server, short_dir, "worker", "awb-maintenance", "--burst")
    assert done.returncode == 0, done.stderr
    assert read_schema(connection) == Schema(VERSION, READABLE_FROM)
    assert not connection.hexists(keys.MARKS, "ai_templates")


def awb(redis_server: RedisServer, data_dir: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "AWB_REDIS_URL": redis_server.url,
        "AWB_WEBHOOK_SECRET": SECRET,
        "AWB_DATA_DIR": str(data_dir),
        "AWB_BIND": "127.0.0.1:0",
    }
    words = [sys.executable, "-m", "app.cli", *command]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=150, check=False)


@pytest.mark.parametrize("command", [["run"], ["web"], ["scheduler"], ["worker", "awb-deliveries"]])
def test_every_part_refuses_what_it_cannot_read_in_a_clear_sentence(
    connection: Any, redis_server: RedisServer, short_dir: Path, command: list[str]
) -> None:
    connection.hset(keys.SCHEMA, mapping={"version": VERSION + 2, "readable_from": VERSION + 1})
    done = awb(redis_server, short_dir, *command)
    assert done.returncode not in (0, 1)
    assert f"Redis holds data of schema {VERSION + 2}, which this version (schema {VERSION}) cannot read" in done.stderr
    assert "Traceback" not in done.stderr
    assert read_schema(connection) == Schema(VERSION + 2, VERSION + 1)
