"""A Redis in cluster mode cannot be used, and every part says so when it starts."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis

from app.config.load import EXIT_CONFIG
from app.core.finding import Result
from app.core.schema import ClusterModeError
from app.doctor.redis import examine_redis
from app.store.receive.inbox import Inbox
from app.store.rq import readyjob
from app.store.server.connection import connect
from app.store.server.schema import prepare
from tests.conftest import RedisServer, make_config, short_directory, wait_until
from tests.faults.system import free_port
from tests.workers.make import ROOT, environment


def port_with_bus() -> int:
    """Return a free port whose port for the cluster's bus is free too: before Redis 7 it is always 10,000 higher."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError, OverflowError), socket.socket() as bus:
            bus.bind(("127.0.0.1", port + 10_000))
            return port


@pytest.fixture(scope="module")
def node() -> Iterator[RedisServer]:
    """One node that has all slots."""
    port = str(port_with_bus())
    server = RedisServer(short_directory(), "--bind", "127.0.0.1", "--port", port, "--cluster-enabled", "yes")
    server.start()
    admin = redis.Redis.from_url(server.url)
    admin.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
    wait_until(lambda: b"cluster_state:ok" in admin.execute_command("CLUSTER", "INFO", NEVER_DECODE=[]))
    yield server
    server.stop()


def test_a_delivery_would_be_refused_because_its_keys_lie_in_different_slots(node: RedisServer) -> None:
    with pytest.raises(redis.exceptions.RedisError, match="same slot"):
        Inbox(connect(node.url), "prod").accept(readyjob.delivery_job("prod", "m1", 1.0, {}), "m1", 1.0)


def test_the_start_ends_with_a_sentence_that_says_what_to_do(node: RedisServer) -> None:
    with pytest.raises(ClusterModeError):
        prepare(connect(node.url))
    command = [sys.executable, "-m", "app.cli", "scheduler"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment(node.url), capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == EXIT_CONFIG
    assert "cluster mode" in ended.stderr
    assert "AWB_REDIS_URL" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_doctor_says_so_too(node: RedisServer) -> None:
    (found,) = examine_redis(make_config(node.url), connect(node.url))
    assert (found.check, found.outcome) == ("redis.mode", Result.ERROR)
