"""Two of every part, each with its own data directory, on one Redis and behind HAProxy as docs/scaling.md has it."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from app.doctor.parts import examine_parts
from app.simulator.loopback import free_port
from app.store import keys
from app.store.server.lease import LEASE_SECONDS
from tests.conftest import RedisServer, wait_until
from tests.faults.load import Load, account, unfinished
from tests.faults.roles import Role, Web
from tests.faults.system import processes
from tests.guides.blocks import block
from tests.web.guarded import HASHES, PASSWORDS
from tests.web.proxies import haproxy

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]
SESSION_SECRET = "a-session-secret-of-the-tests"


@dataclass(frozen=True)
class Machines:
    """Two machines' parts, the Redis that they share, and the address of the load balancer."""

    webs: list[Web]
    workers: list[Role]
    schedulers: list[Role]
    redis: Any
    url: str

    def leader(self) -> Role | None:
        """Return the scheduler that is at work."""
        holder = (self.redis.get(keys.LEASE) or b"").decode()
        return next((one for one in self.schedulers if f"-{one.pid}-" in holder), None)


def documented(ports: list[int], own: int) -> str:
    """Return HAProxy's parts from docs/scaling.md for these receivers."""
    found = block("docs/scaling.md", "Set it up")
    for before, after in zip(("8080", "8787", "8788"), (own, *ports), strict=True):
        found = found.replace(f"127.0.0.1:{before}", f"127.0.0.1:{after}")
    return found


@pytest.fixture
def machines(redis_server: RedisServer, connection: "redis.Redis", short_dir: Path) -> Iterator[Machines]:
    settings = {"redis_url": redis_server.url, "limit": 1_000_000, "session_secret": SESSION_SECRET}
    with ExitStack() as stack:
        webs = [stack.enter_context(Web(short_dir / f"web-{number}", **settings)) for number in (1, 2)]
        workers, schedulers = (
            [stack.enter_context(Role(short_dir / f"{name}-{number}", name, **settings)) for number in (1, 2)]
            for name in ("worker", "scheduler")
        )
        port = free_port()
        parts = documented([web.port for web in webs], port)
        host, port = stack.enter_context(haproxy(("127.0.0.1", webs[0].port), parts=parts, port=port))
        yield Machines(webs, workers, schedulers, connection, f"http://{host}:{port}")


def test_receivers_are_replaced_one_by_one_and_coder_notices_nothing(machines: Machines) -> None:
    with Load([machines.url], threads=2) as load:
        for _ in range(2):
            for web in machines.webs:
                before = len(load.taken) + 30
                wait_until(lambda before=before: len(load.taken) > before, 200)
                assert web.stop() == 0
                web.start()
        load.finish()
    assert {one.status for one in load.answers} == {202}
    wait_until(lambda: not unfinished(machines.redis), 120)
    found = account(machines.redis, load)
    assert (found.lost, found.doubled) == (0, 0)


def test_workers_and_scheduler_of_a_machine_die_and_those_of_the_other_go_on(machines: Machines) -> None:
    wait_until(machines.leader, 180)
    # Two receivers, two schedulers, and a worker process for each of three queues on either machine.
    wait_until(lambda: machines.redis.hlen(keys.PARTS) == 10, 180)
    assert [one.message for one in examine_parts(machines.redis)] == ["10 parts have the same settings"]
    with Load([machines.url], threads=2) as load:
        wait_until(lambda: len(load.taken) > 50, 120)
        leader = machines.leader()
        assert leader is not None
        os.kill(leader.pid, signal.SIGKILL)
        for pid in [machines.workers[0].pid, *processes(machines.workers[0].pid)]:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: machines.leader() not in (None, leader), LEASE_SECONDS + 60)
        load.finish()
    # Another worker finds what the dead one had in hands when RQ's maintenance has seen it there for a minute.
    wait_until(lambda: not unfinished(machines.redis), 400)
    found = account(machines.redis, load)
    assert found.answered > 50
    assert (found.lost, found.doubled) == (0, 0)


def test_a_login_at_one_receiver_is_valid_at_the_other(
    redis_server: RedisServer, connection: "redis.Redis", short_dir: Path
) -> None:
    del connection
    settings = {
        "redis_url": redis_server.url,
        "session_secret": SESSION_SECRET,
        "admin_password_hash": HASHES["admin"],
        "trust_loopback": "never",
    }
    with Web(short_dir / "web-1", **settings) as one, Web(short_dir / "web-2", **settings) as other:
        browser = requests.Session()
        browser.trust_env = False
        assert browser.get(f"{other.url}/alerts", allow_redirects=False).status_code == 303
        (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', browser.get(f"{one.url}/login").text)
        form = {"csrf_token": token, "password": PASSWORDS["admin"]}
        browser.post(f"{one.url}/login", data=form, headers={"Origin": one.url}, allow_redirects=False)
        assert browser.get(f"{other.url}/alerts", allow_redirects=False).status_code == 200
