"""Meters with different prefixes share a Redis, and do not see each other."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rq.command import PUBSUB_CHANNEL_TEMPLATE
from rq.defaults import RQ_KEY_PREFIX

from app.config.load import EXIT_CONFIG, ConfigError
from app.core.text.redisprefix import check_prefix
from app.doctor.parts import examine_prefix
from app.store import keys
from app.store.receive.deployments import Deployments
from app.store.rq.queues import Queues
from app.store.rqprefix import WrongPrefixError
from app.store.server.connection import connect
from tests.cli.conftest import call
from tests.conftest import RedisServer, make_config, wait_until
from tests.pipeline.streams import config_for, resumes
from tests.store.test_cluster import run
from tests.workers.make import ROOT, accept, awb, drain, environment
from workers import runtime

OTHER = "team-b:"


def dumps(connection: Any, prefix: bytes) -> dict[bytes, bytes]:
    """Return all keys that begin so, with everything in them, but for RQ's marks that expire during the test."""
    names = list(connection.scan_iter(match=prefix + b"*", count=1000))
    return {key: connection.dump(key) for key in names if not 0 <= connection.ttl(key) < 3600}


def called(*words: str, **settings: Any) -> "subprocess.CompletedProcess[str]":
    url = settings.pop("redis_url", "unix:///nowhere")
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        cwd=ROOT, env=environment(url, **settings), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_without_a_prefix_keys_are_what_they_were() -> None:
    assert (keys.SHARED, keys.PREFIX, RQ_KEY_PREFIX) == ("", "awb:" + "v1", "rq")


def test_two_meters_in_one_database_do_not_see_each_other(redis_server: RedisServer, connection: Any) -> None:
    config = config_for(redis_server.url)
    accept(connection, resumes(3))
    drain(connection, config)
    accept(connection, resumes(5)[3:])  # which wait for a worker
    before = dumps(connection, b"")
    statuses, left, usage, rows = run(redis_server.url, "receive", "work", "usage", "rows", prefix=OTHER)
    assert (statuses, left) == ([202], 0)
    theirs = dumps(connection, OTHER.encode())
    assert dumps(connection, b"") == {**before, **theirs}
    # The other one received 25 messages and none of ours, and a backup of it has only those.
    assert 'outcome="accepted"} 25.0' in usage["metrics"][0]
    assert sum(name.startswith(keys.delivery("default", "")) for _, name in rows) == 25
    assert not any(keys.every("prod")[:-1] in name for _, name in rows)
    assert Deployments(connection).traces() == ["prod"]
    _, queues = Queues(connection).workers_and_queues()
    assert [queue.length for queue in queues if queue.name == "awb-deliveries"] == [2]
    # Each is removed without the other.
    assert run(redis_server.url, "remove", prefix=OTHER) == [["default"]]
    assert dumps(connection, b"awb:") | dumps(connection, b"rq:") == before
    rest = dumps(connection, OTHER.encode())
    Deployments(connection).remove("prod")
    assert dumps(connection, OTHER.encode()) == rest
    assert Deployments(connection).traces() == []


def test_a_backup_is_restored_under_another_prefix(redis_server: RedisServer, connection: Any, tmp_path: Path) -> None:
    accept(connection, resumes(3))
    drain(connection, config_for(redis_server.url))
    accept(connection, resumes(5)[3:])
    file = tmp_path / "backup"
    ours = {"AWB_REDIS_URL": redis_server.url, "AWB_DATA_DIR": str(tmp_path)}
    assert call("backup", str(file), **ours).exit_code == 0
    before = dumps(connection, b"")
    restored = called("restore", str(file), redis_url=redis_server.url, data_dir=tmp_path, redis_prefix=OTHER)
    assert restored.returncode == 0, restored.stderr
    assert dumps(connection, b"awb:") | dumps(connection, b"rq:") == before
    assert connection.llen(f"{OTHER}rq:queue:awb-deliveries") == 2
    # Totals follow from the ledger; the counters of deliveries are copied.
    for name in (keys.totals("prod", "awb"), keys.stats("prod")):
        assert connection.hgetall(OTHER + name) == connection.hgetall(name) != {}


def test_doctor_finds_workers_of_another_prefix_if_none_have_ours(
    redis_server: RedisServer, connection: Any, tmp_path: Path
) -> None:
    assert list(examine_prefix(connection)) == []
    file = tmp_path / "awb-meter.toml"
    file.write_text(f'redis_prefix = "{OTHER}"\n')
    working = awb("worker", "awb-forward", redis_url=redis_server.url, config=file)
    try:
        wait_until(lambda: list(examine_prefix(connection)), 60)
        (found,) = examine_prefix(connection)
        assert found.message == f"no workers on this Redis have the prefix “”, but some have “{OTHER}”"
        assert Queues(connection).workers() == []
        with connection.pubsub() as ours:
            ours.subscribe(PUBSUB_CHANNEL_TEMPLATE % "awb-deliveries-a-host-1-0a1b2c")
            wait_until(lambda: not list(examine_prefix(connection)))
    finally:
        working.terminate()
        working.wait(30)


def test_a_variable_of_rq_that_contradicts_the_prefix_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RQ_KEY_PREFIX", "mine")
    done = called("config", "check")
    assert done.returncode == EXIT_CONFIG
    assert "RQ_KEY_PREFIX is “mine”" in done.stderr
    assert "unset RQ_KEY_PREFIX" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_running_part_does_not_take_another_prefix(redis_server: RedisServer) -> None:
    # This process has imported RQ, as a part has that reloads its configuration.
    done = call("config", "check", AWB_REDIS_URL=redis_server.url, AWB_REDIS_PREFIX=OTHER)
    assert done.exit_code == EXIT_CONFIG
    assert f"AWB_REDIS_PREFIX is “{OTHER}”" in done.stderr
    assert "start the part again" in done.stderr


def test_a_stock_worker_with_other_keys_runs_no_job(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(redis_server.url, redis_prefix=OTHER)
    with pytest.raises(WrongPrefixError, match=f"with RQ_KEY_PREFIX={OTHER}rq"):
        connect(redis_server.url, settings=config.settings)
    monkeypatch.setenv("AWB_REDIS_PREFIX", OTHER)
    runtime.use(connect(redis_server.url))
    try:
        with pytest.raises(WrongPrefixError):
            runtime.runtime()
    finally:
        runtime.forget()


@pytest.mark.parametrize("prefix", ["", "meter:", "{awb}:", "team-a:meter:", "a.{b_c}.d:"])
def test_a_prefix_is_taken(prefix: str) -> None:
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["meter", ":", "{}:", "{a:", "a}:", "a*:", "a b:", "awb:", "x:rq:", "a" * 61 + ":"])
def test_another_text_is_no_prefix(prefix: str) -> None:
    with pytest.raises(ValueError, match="must"):
        check_prefix(prefix)


def test_a_wrong_prefix_and_a_cluster_without_one_are_named() -> None:
    with pytest.raises(ConfigError, match="AWB_REDIS_PREFIX: must end with a colon"):
        make_config(redis_prefix="no")
    with pytest.raises(ConfigError, match="needs redis_prefix with a hash tag"):
        make_config("redis+cluster://a:1,b:2", redis_prefix="meter:")
    with pytest.raises(ConfigError, match="must be redis\\+cluster://user:password@HOST:PORT"):
        make_config("redis+cluster://a:1/3", redis_prefix="{awb}:")
    assert make_config("rediss+cluster://u:p@a,b", redis_prefix="{awb}:").settings.redis_prefix == "{awb}:"
