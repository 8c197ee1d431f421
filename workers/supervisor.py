"""`awb run`: one process that starts Redis, the receiver, the workers and the scheduler, and keeps them running."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final, Protocol, Self, cast

import redis
import structlog
from pydantic import SecretStr

from app.config.datadir import LOCK
from app.config.load import Config, Read
from app.config.settings import Settings
from app.net.servicemanager import ServiceManager
from app.store.reloads import note_reload
from app.store.schema import prepare
from app.store.server.connection import connect, unavailable
from workers import embedded, redislog, reload
from workers.keeping import POLL_SECONDS, Parts, Runner
from workers.parts import CAN_FORK, Child, workers_of

log = structlog.get_logger(__name__)
# In the order of the listeners: `bind`, and `metrics_bind` if it is set.
_LISTEN_OPTIONS: Final = ("--listen-fd", "--metrics-fd")


class Program(Runner, Protocol):
    """The program `awb`, as needed by the supervisor."""

    def listen(self, host: str, port: int) -> socket.socket: ...


class AlreadyRunningError(Exception):
    """Another instance uses the data directory."""


class DataDirLock:
    """The lock of a data directory: one instance per directory. The kernel releases it when the process ends."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = data_dir / LOCK
        self.file = self.path.open("a+", encoding="ascii")

    def __enter__(self) -> Self:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.seek(0)
            holder = self.file.read().strip() or "unknown"
            self.file.close()
            raise AlreadyRunningError(
                f"{self.path.parent}: another instance (process {holder}) uses this data directory; "
                "stop it, or give this one its own with AWB_DATA_DIR"
            ) from None
        self.file.truncate(0)
        self.file.write(f"{os.getpid()}\n")
        self.file.flush()
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


class Supervisor:
    """Starts the parts in order, restarts those that end, and stops them in the order of the data flow."""

    def __init__(self, config: Config, program: Program, read: Read, *, insecure: bool = False) -> None:
        """Prepare.

        Args:
            config: the configuration.
            program: runs the parts.
            read: reads the configuration again, with everything that is wrong with it.
            insecure: the receiver accepts deliveries without a secret.
        """
        self.config = config
        self.program = program
        self.read = read
        self.reload_wanted = False
        self.on_terminal = sys.stdin.isatty()
        self.insecure = insecure
        self.manager = ServiceManager.of(os.environ)
        self.parts = Parts(program, self._give_up)
        self.listeners: list[socket.socket] = []
        self.lock: DataDirLock | None = None
        self.stopping = False
        self.redis: Child | None = None
        self.web: list[Child] = []
        self.others: list[Child] = []

    def run(self, ready: Callable[[], bool]) -> int:
        """Run until SIGTERM or SIGINT, and return the exit code.

        Args:
            ready: called after every check until it returns True, once everything is started.

        Raises:
            AlreadyRunningError: the data directory is in use.
            workers.embedded.EmbeddedRedisError: the embedded Redis cannot be started.
            OSError: the address is in use.
            app.core.schema.SchemaError: Redis contains data that this version cannot read.
        """
        settings = self.config.settings
        with DataDirLock(settings.data_dir) as self.lock:
            self.listeners.append(self.program.listen(settings.bind_host, settings.bind_port))
            if settings.metrics_address:
                self.listeners.append(self.program.listen(*settings.metrics_address))
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._request_stop)
            signal.signal(signal.SIGHUP, self._request_reload)
            try:
                self._start_all()
                is_ready = False
                while not self.stopping:
                    if not is_ready and ready():
                        is_ready = True
                        self.manager.ready(f"Listening on {settings.bind}")
                    self._check_children()
                    if self.reload_wanted:
                        self._reload()
                    self.manager.keep_alive(time.monotonic())
                    time.sleep(POLL_SECONDS)
            finally:
                self.manager.stopping()
                for listener in self.listeners:
                    listener.close()
                self._stop_all()
        return 0

    def _request_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _request_reload(self, _signal: int, _frame: FrameType | None) -> None:
        # The end of the terminal on which this runs sends the same signal.
        if self.on_terminal and not sys.stdin.isatty():
            self.stopping = True
        else:
            self.reload_wanted = True

    def _reload(self) -> None:
        """Apply the new configuration to every part; if any of it is invalid, all keep the previous one."""
        self.reload_wanted = False
        found, problems = self.read()
        silent: list[str] = []
        restart: set[str] = set()
        try:
            with self._connect() as connection:
                if found is not None and not problems:
                    ended, silent = reload.pass_on([*self.web, *self.others], connection)
                    problems = [problem for one in ended for problem in one.problems]
                    restart = {name for one in ended for name in one.restart}
                    if not problems:
                        self.parts.config = self._for_parts(found)
                    self._add_workers(found.settings)
                note_reload(connection, "service", problems, sorted(restart))
        except (redis.exceptions.RedisError, OSError) as error:
            problems = [*problems, f"Redis is {unavailable(error)}"]
        if problems:
            log.error("configuration not reloaded, the previous one stays", part="service", problems=problems)
        else:
            log.info("configuration reloaded", part="service", silent=silent, needs_restart=sorted(restart))
        reload.write_answer(self.config.settings.data_dir, list(dict.fromkeys(problems)), silent, sorted(restart))

    def _for_parts(self, config: Config) -> Config:
        """Return a configuration as the parts have it, which know the embedded Redis by its URL."""
        url = self.parts.environment.get("AWB_REDIS_URL")
        if url is None:
            return config
        return replace(config, settings=config.settings.model_copy(update={"redis_url": SecretStr(url)}))

    def _add_workers(self, settings: Settings) -> None:
        """Start the additional workers that the new settings need; those without work keep running."""
        known = {child.name for child in self.others}
        self.others += [child for child in workers_of(settings) if child.name not in known]

    def _connect(self) -> "redis.Redis":
        own = self.config.settings.redis_url
        url = self.parts.environment.get("AWB_REDIS_URL") or (own.get_secret_value() if own else "")
        return connect(url, settings=self.config.settings)

    def _start_all(self) -> None:
        settings = self.config.settings
        if settings.redis_url is None:
            server = embedded.find_server(settings.data_dir)
            embedded.stop_stray(settings.data_dir)
            redislog.rotate(settings.data_dir)
            self.redis = Child("redis", embedded.command(server, settings.data_dir), ours=False)
            self.parts.start(self.redis)
        if CAN_FORK:
            self.program.prepare("web")  # while Redis loads its data
        if self.redis:
            embedded.wait_ready(settings.data_dir, cast("subprocess.Popen[bytes]", self.redis.process))
            self.parts.environment["AWB_REDIS_URL"] = embedded.url(settings.data_dir)
        self.parts.config = self._for_parts(self.config)
        self._prepare()
        if self.config.source:
            self.parts.environment["AWB_CONFIG"] = str(self.config.source)
        self.others = [
            *workers_of(settings),
            Child("scheduler", ["scheduler"]),
        ]
        listeners = [listener.fileno() for listener in self.listeners]
        fds = [word for pair in zip(_LISTEN_OPTIONS, map(str, listeners), strict=False) for word in pair]
        web = ["web", *fds, *(["--insecure"] if self.insecure else [])]
        self.web = [Child(f"web {number}", web, listeners) for number in range(1, settings.web_processes + 1)]
        # The receiver first, because Coder is waiting for it.
        for child in (*self.web, *self.others):
            if CAN_FORK:
                self.program.prepare(child.command[0])
            self.parts.start(child)

    def _prepare(self) -> None:
        """Migrate the data in Redis before any part uses it; if Redis is unavailable, each part checks the schema."""
        try:
            with self._connect() as connection:
                prepare(connection)
        except (redis.exceptions.RedisError, OSError) as error:
            log.warning("schema not checked", why=unavailable(error))

    def _give_up(self, child: Child) -> None:
        """Close the supervisor's lock and sockets in a part, where they would outlive the supervisor."""
        if self.lock:
            self.lock.file.close()
        for listener in self.listeners:
            if listener.fileno() not in child.fds:
                listener.close()

    def _check_children(self) -> None:
        if self.redis:
            # The path may lead through a link in the directory for temporary files, which systems clean up after some
            # days.
            with contextlib.suppress(OSError, embedded.EmbeddedRedisError):
                embedded.socket_path(self.config.settings.data_dir)
        self.parts.look_after([*([self.redis] if self.redis else []), *self.others, *self.web])

    def _stop_all(self) -> None:
        """Stop the receiver, then let the workers finish, and stop Redis last; each group has its own grace period."""
        for group in (self.web, self.others, [self.redis] if self.redis else []):
            self.parts.stop(group, self.config.settings.grace_seconds)
        self.parts.close()
