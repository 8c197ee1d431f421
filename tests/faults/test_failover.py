"""A fail-over that leaves the old master alive as a replica, with every connection to it."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from app.simulator.loopback import free_port
from app.store.rq import jobqueue
from app.store.server.connection import connect
from app.store.server.watched import MovedError
from tests.conftest import RedisServer, make_config, wait_until
from tests.faults.forwarder import Forwarder
from tests.faults.system import System
from tests.pipeline.streams import messages_of
from workers.runner import QuietWorker
from workers.scheduler import POLL_SECONDS as PAUSE
from workers.scheduler import Scheduler

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
#: A worker that had work in hand may end, and is started again.
OURS = ("receiver", "scheduler")


class Pair:
    """A master and its replica, behind one address."""

    def __init__(self, directory: Path) -> None:
        self.ports = [free_port(), free_port()]
        self.servers = []
        for number, port in enumerate(self.ports):
            (directory / str(number)).mkdir()
            # Two plain servers; the address that a client knows is the forwarder's.
            tcp = ("--bind", "127.0.0.1", "--port", str(port), "--repl-diskless-sync-delay", "0")
            self.servers.append(RedisServer(directory / str(number), *tcp))
        self.forwarder = Forwarder(self.ports[0])

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.forwarder.port}/0"

    def direct(self, number: int) -> Any:
        return redis.Redis(port=self.ports[number])

    def start(self) -> None:
        for server in self.servers:
            server.start()
        self.direct(1).replicaof("127.0.0.1", self.ports[0])
        wait_until(lambda: self.direct(1).info("replication")["master_link_status"] == "up")

    def stop(self) -> None:
        for server in self.servers:
            server.kill()  # a master would wait for its replica

    def demote(self) -> None:
        """Let the servers swap their parts; clients still reach the old master."""
        wait_until(self._level)
        self.direct(1).replicaof("no", "one")
        self.direct(0).replicaof("127.0.0.1", self.ports[1])
        wait_until(lambda: self.direct(0).info("replication")["master_link_status"] == "up")

    def _level(self) -> bool:
        master, replica = (self.direct(n).info("replication") for n in (0, 1))
        return bool(master["master_repl_offset"] == replica["master_repl_offset"])

    def point(self) -> None:
        """Let new connections reach the new master."""
        self.forwarder.target = self.ports[1]


@pytest.fixture
def pair(short_dir: Path) -> Iterator[Pair]:
    built = Pair(short_dir)
    with ExitStack() as stack:
        stack.callback(built.stop)
        built.start()
        stack.enter_context(built.forwarder)
        yield built


def test_after_one_refusal_every_connection_of_the_pool_is_opened_anew(pair: Pair) -> None:
    connection = connect(pair.url)
    pool: Any = connection.connection_pool
    several = [pool.get_connection() for _ in range(3)]
    for one in several:
        pool.release(one)
    pair.demote()
    with pytest.raises(MovedError):
        connection.set("a", 1)
    pair.point()
    assert connection.set("a", 1)
    addresses = []
    held = [pool.get_connection() for _ in range(3)]
    for one in held:
        one.send_command("INFO", "server")
        addresses.append(f"tcp_port:{pair.ports[1]}" in str(one.read_response()))
        pool.release(one)
    assert addresses == [True] * 3


@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_that_meets_the_old_master_is_done_by_the_new_one(pair: Pair, transaction: bool) -> None:
    connection = connect(pair.url)
    connection.set("before", 1)
    pair.demote()
    pair.point()
    with connection.pipeline(transaction=transaction) as pipe:
        pipe.get("before")
        pipe.set("a", 1)
        assert pipe.execute() == [b"1", True]
    assert pair.direct(1).get("a") == b"1"


def test_a_scheduler_goes_on_with_the_new_master(pair: Pair) -> None:
    connection = connect(pair.url)
    scheduler = Scheduler(connection, make_config(pair.url))
    scheduler.step()
    pair.demote()
    with pytest.raises(MovedError):
        scheduler.step()
    pair.point()
    scheduler.last_tick = 0
    connection.delete(*connection.keys("awb:v1:once:*"))
    scheduler.step()
    scheduler.rq.stop()
    assert pair.direct(1).llen(jobqueue.queue_key(jobqueue.MAINTENANCE)) > 0


def test_the_whole_service_goes_on_with_the_new_master(pair: Pair, short_dir: Path) -> None:
    messages = messages_of(11, 60, failures=False)
    with System(short_dir / "data", limit=10_000, redis_url=pair.url).started() as system:
        assert [system.post(message) for message in messages[:20]] == [202] * 20
        wait_until(lambda: counted(pair, 0) == 20)
        parts = {name: system.part(name) for name in OURS}
        pair.demote()
        assert [system.post(message) for message in messages[20:24]] == [503] * 4
        assert not system.ready()
        wait_until(lambda: "scheduler is waiting for Redis" in system.output.read_text(encoding="utf-8"))
        pair.point()
        assert {system.post(message) for message in messages[20:]} <= {200, 202}
        assert system.ready()
        wait_until(lambda: counted(pair, 1) == len(messages))
        # The old scheduler's locks came along; it holds them still.
        beats = heartbeat(pair)
        wait_until(lambda: heartbeat(pair) != beats)
        assert {name: system.part(name) for name in OURS} == parts
        assert system.stop() == 0


def test_nobody_waits_longer_than_five_seconds_before_looking_for_the_new_master() -> None:
    # Longest pause of a worker, and of the scheduler; the receiver looks at every POST.
    assert QuietWorker.max_connection_wait_time <= 2
    assert PAUSE <= 2


def counted(pair: Pair, number: int) -> int:
    """Return how many deliveries have their verdict."""
    return int(pair.direct(number).zcard("awb:v1:prod:deliveries"))


def heartbeat(pair: Pair) -> Any:
    """Return the last heartbeat of the scheduler."""
    (key,) = pair.direct(1).keys("rq:scheduler:*")
    return pair.direct(1).hget(key, "last_heartbeat")
