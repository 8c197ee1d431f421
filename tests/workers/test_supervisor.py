"""What the parts inherit from the supervisor that forks them, and the time that each group has to end."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.simulator.loopback import free_port
from app.store.rq import jobqueue
from tests.conftest import PATIENCE, RedisServer, wait_until
from tests.faults.system import processes_of
from tests.workers.make import ROOT, environment
from tests.workers.slowparts import ENDING
from workers.parts import CAN_FORK

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="parts are forked on Linux only")
#: Seconds for each group: the receiver uses all of them.
GRACE = 5
OTHERS = {*(f"worker {name}" for name in jobqueue.CORE), "scheduler"}


class Run:
    """A supervisor with parts that note what they see."""

    def __init__(self, redis_url: str, directory: Path, **more: str) -> None:
        self.notes = directory / "notes.jsonl"
        self.data_dir = directory
        environ = environment(redis_url, data_dir=directory, bind=f"127.0.0.1:{free_port()}", grace_seconds=GRACE)
        command = [sys.executable, "-m", "tests.workers.slowparts", str(self.notes)]
        self.process = subprocess.Popen(command, env={**environ, **more}, cwd=ROOT, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(self.noted("started")) == len(OTHERS) + 1)

    def noted(self, event: str) -> dict[str, dict[str, Any]]:
        if not self.notes.exists():
            return {}
        lines = [json.loads(line) for line in self.notes.read_text(encoding="utf-8").splitlines()]
        return {line["name"]: line for line in lines if line["event"] == event}


@pytest.fixture
def run(redis_server: RedisServer, short_dir: Path) -> Iterator[Run]:
    started = Run(redis_server.url, short_dir)
    yield started
    end(started)


def end(started: Run) -> None:
    # The receiver of these tests heeds nothing else. The id of a process that has ended may be somebody else's now.
    for pid in processes_of(started.data_dir):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    started.process.wait()


def test_a_receiver_that_is_slow_to_end_leaves_the_others_their_time(run: Run) -> None:
    assert ENDING < GRACE
    run.process.terminate()
    assert run.process.wait(PATIENCE) == 0
    assert set(run.noted("ended")) == OTHERS


def test_parts_hold_neither_the_lock_nor_addresses_nor_connections_of_the_supervisor(run: Run) -> None:
    for name, part in run.noted("started").items():
        assert str(run.data_dir / "lock") not in part["files"]
        sockets = [file for file in part["files"] if file.startswith("socket:")]
        assert len(sockets) == (1 if name == "web" else 0), name


def test_parts_draw_random_numbers_of_their_own(run: Run) -> None:
    draws = [part["draw"] for part in run.noted("started").values()]
    assert len(set(draws)) == len(draws)


def test_systemd_hears_when_the_service_works_that_it_lives_and_when_it_stops(
    redis_server: RedisServer, short_dir: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(30)
        manager.bind(str(short_dir / "notify"))
        run = Run(redis_server.url, short_dir, NOTIFY_SOCKET=str(short_dir / "notify"), WATCHDOG_USEC="300000")
        try:
            said = [manager.recv(200).decode() for _ in range(3)]
            assert said[0].startswith("READY=1\nSTATUS=Listening on 127.0.0.1:")
            assert said[1:] == ["WATCHDOG=1"] * 2
            # Only the supervisor is asked; what its parts sent would be taken for its own.
            environs = [part["environ"] for part in run.noted("started").values()]
            assert [name for names in environs for name in names if name in ("NOTIFY_SOCKET", "WATCHDOG_USEC")] == []
            run.process.terminate()
            while (last := manager.recv(200).decode()) == "WATCHDOG=1":
                continue
            assert last.startswith("STOPPING=1")
        finally:
            end(run)
