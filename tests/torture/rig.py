"""One meter under torture: `awb run` with its own Redis, or with one behind the faulty wire."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Self

import redis

from app.simulator.api import ApiServer
from app.simulator.loopback import free_port
from app.store.server.connection import connect
from tests.conftest import RedisServer, wait_until
from tests.faults.system import System, name_of, processes, processes_of
from tests.torture.clock import Clock
from tests.torture.outside import Mail, Slack, Tally
from tests.torture.team import Team
from tests.torture.traffic import ESTIMATED
from tests.torture.wire import Wire
from tests.workers.make import ROOT, awb, environment

#: By their names for `ps -o comm`.
PARTS = {
    "receiver": "awb web 1",
    "delivery worker": "awb deliveries",
    "notification worker": "awb notificatio",
    "maintenance worker": "awb maintenance",
    "scheduler": "awb scheduler",
}
#: What the meter says when it finds its data damaged, and what helps.
REMEDY = "awb repair"
RECONCILE_MINUTES = 5
_DISK = 48 << 20


@cache
def may_mount() -> bool:
    """Return whether a small disk can be had: for root, outside of most containers."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], capture_output=True, check=False)
        if done.returncode == 0:
            subprocess.run(["umount", directory], check=True)
        return done.returncode == 0


class Rig:
    """Everything of one round.

    Attributes:
        kind: `own` for the embedded Redis, else the `appendfsync` of one that is reached over the wire.
        limit: of the deployment without API.
    """

    def __init__(self, kind: str, directory: Path, clock: Clock, seed: int, *, coder: bool, disk: bool) -> None:
        self.kind, self.directory, self.clock, self.seed = kind, directory, clock, seed
        self.coder, self.disk = coder, disk
        self.limit = 60
        self.server: RedisServer | None = None
        self.wire: Wire | None = None
        self.team: Team | None = None
        self.api: ApiServer | None = None
        self.doubles: list[subprocess.Popen[bytes]] = []
        self._stack = ExitStack()

    def enter(self, tally: Tally, *, period: str = "lifetime") -> Self:
        """Start everything; on an error what was started is left to `leave`."""
        self.slack = self._stack.enter_context(Slack(tally))
        self.mail = self._stack.enter_context(Mail(tally))
        settings: dict[str, Any] = {
            "slack_webhook_url": self.slack.url,
            "smtp_url": self.mail.url,
            "email_from": "awb@example.com",
            "email_to": "ops@example.com",
            "deployments": ESTIMATED,
            "limit": self.limit,
            "period": period,
            "thresholds": "25%,50%,75%,90%,100%,+25%",
            "forecast_alerts": "false",
            "reconcile_minutes": RECONCILE_MINUTES,
            # Clocks jump by years here.
            "keep_days": 3660,
            "log_level": "warning",
            "log_format": "json",
        }
        if self.coder:
            self.team = Team(self.seed, self.clock.now())
            self.api = self._stack.enter_context(ApiServer(self.team.world, seed=self.seed))
            settings |= {"coder_url": self.api.url, "coder_token": self.api.token}
        data = self.directory / "data"
        data.mkdir()
        if self.disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(data)], check=True)
            self._stack.callback(subprocess.run, ["umount", "-l", str(data)], check=False)
        if self.kind != "own":
            port = free_port()
            options = ("--bind", "127.0.0.1", "--port", str(port), "--appendfsync", self.kind)
            self.server = RedisServer(data, *options, "--repl-diskless-sync-delay", "0")
            self.server.start()
            self._stack.callback(self.server.kill)
            self.wire = self._stack.enter_context(Wire(port, self.suspects))
            settings["redis_url"] = f"redis://127.0.0.1:{self.wire.port}/0"
            self.redis_url = f"redis://127.0.0.1:{port}/0"
        self.settings = settings
        self.system = System(data, **settings)
        self._stack.callback(self._sweep)
        self.start()
        if self.kind == "own":
            self.redis_url = f"unix://{data}/redis.sock"
        return self

    def start(self) -> None:
        self.system.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        # The machine may be busy, so the duration of a start means nothing.
        wait_until(self.system.ready, 600)

    def leave(self) -> None:
        self._stack.close()

    def _sweep(self) -> None:
        for process in self.doubles:
            process.kill()
            process.wait()
        self.system.__exit__()

    def suspects(self) -> list[int]:
        return [*processes(self.system.pid), self.system.pid, *(process.pid for process in self.doubles)]

    def part(self, name: str) -> int | None:
        found = [pid for pid in processes(self.system.pid) if name_of(pid) == PARTS[name]]
        return found[0] if found else None

    def redis_pid(self) -> int | None:
        if self.server:
            assert self.server.process is not None
            return self.server.process.pid
        found = [pid for pid in processes(self.system.pid) if name_of(pid) == "redis-server"]
        return found[0] if found else None

    def connection(self) -> "redis.Redis":
        """Return a connection past the wire."""
        return connect(self.redis_url)

    def kill_redis(self, rng: random.Random, *, loading: bool = False) -> bool:
        """Kill Redis; it comes back by the supervisor, or by us as by an operator's service manager."""
        pid = self.redis_pid()
        if pid is None:
            return False
        delay = self._load_delay() if loading else 0
        os.kill(pid, signal.SIGKILL)
        if self.server:
            assert self.server.process is not None
            self.server.process.wait()
            time.sleep(rng.uniform(0, 0.8))
            more = self.server.more
            if loading:
                slowly = ("--key-load-delay", str(delay), "--loading-process-events-interval-bytes", "1024")
                self.server.more = (*more, *slowly)
            self.server.start()
            self.server.more = more
        return True

    def _load_delay(self) -> int:
        """Return the delay for each key, in microseconds, with which loading takes a few seconds."""
        try:
            with self.connection() as connection:
                number: Any = connection.dbsize()
        except (redis.exceptions.RedisError, OSError):  # another fault is in effect
            number = 10_000
        return int(min(2000, 4_000_000 // (number + 1)))

    def damage(self, tail: bytes) -> None:
        """Stop everything at once, as a power loss does, and leave bytes behind the last command of Redis' file."""
        self.power_off()
        folder = self.system.data_dir / "appendonlydir"
        newest = max(folder.glob("*.incr.aof"), key=lambda file: int(file.name.split(".")[2]))
        with newest.open("ab") as file:
            file.write(tail)

    def power_off(self) -> None:
        for pid in [*processes(self.system.pid), self.system.pid, *processes_of(self.system.data_dir)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self.system.supervisor is not None
        self.system.supervisor.wait()
        wait_until(lambda: not processes_of(self.system.data_dir), 120)

    def repair(self) -> "subprocess.CompletedProcess[str]":
        environ = environment("", **self.settings, data_dir=self.system.data_dir)
        del environ["AWB_REDIS_URL"]
        command = [sys.executable, "-m", "app.cli", "repair"]
        return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)

    def refuses_to_start(self) -> str:
        """Start with damaged data, and return what the meter says when it ends; empty if it does not end by itself."""
        before = self.system.output.stat().st_size
        self.system.start()
        assert self.system.supervisor is not None
        try:
            code = self.system.supervisor.wait(300)
        except subprocess.TimeoutExpired:
            return ""
        with self.system.output.open("rb") as file:
            file.seek(before)
            return f"{code}: {file.read().decode(errors='replace')}"

    def double(self) -> None:
        """Start a second scheduler and second workers, as two replicas of a deployment have them."""
        for words in (("scheduler",), ("worker", "awb-deliveries"), ("worker", "awb-notifications")):
            url = self.settings.get("redis_url", self.redis_url)
            more = {name: value for name, value in self.settings.items() if name != "redis_url"}
            self.doubles.append(awb(*words, redis_url=url, **more, data_dir=self.directory / "double"))
