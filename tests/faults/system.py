"""The whole program as an admin runs it, with all parts that can be killed, and a client as patient as Coder."""

import contextlib
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import redis
import requests
import time_machine

from app.pipeline.watch.sweep import sweep
from app.simulator.loopback import free_port
from app.simulator.notifications import Message
from app.store.rq import jobqueue
from app.store.server.connection import connect
from tests.conftest import SECRET, RedisServer, wait_until
from tests.pipeline.streams import config_for
from tests.workers.make import ROOT, bring_back, drain, environment
from workers import embedded, runtime

#: Parts of the program by name, as in `ps -o comm`, at most 15 characters.
PARTS = {
    "receiver": "awb web 1",
    "delivery worker": "awb deliveries",
    "notification worker": "awb notificatio",
    "scheduler": "awb scheduler",
    "Redis": "redis-server",
}
#: Threads of a client.
_THREADS = 6
#: Characters of what the parts have printed that a failure shows.
_MOST_OUTPUT = 40_000


class System:
    """`awb run` with its own data directory."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self.port = free_port()
        self.output = data_dir / "output.txt"
        self.supervisor: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.supervisor is not None
        return self.supervisor.pid

    def start(self) -> Self:
        self.data_dir.mkdir(exist_ok=True)
        usual = {"data_dir": self.data_dir, "bind": f"127.0.0.1:{self.port}", "log_level": "warning"}
        # A part that is aborted prints what its threads were doing.
        environ = {**environment(**{"redis_url": "", **usual, **self.settings}), "PYTHONFAULTHANDLER": "1"}
        if "redis_url" not in self.settings:
            del environ["AWB_REDIS_URL"]
        with self.output.open("ab") as output:
            command = [sys.executable, "-m", "app.cli", "run"]
            self.supervisor = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=output, stderr=output)
        return self

    def started(self) -> Self:
        self.start()
        try:
            wait_until(self.ready)
        except AssertionError as error:
            self.__exit__(AssertionError, error)
            raise
        return self

    def _describe(self, error: BaseException) -> None:
        """Add to an error what the parts are doing, which ends them."""
        error.add_note(self._answer())
        parts = processes(self.pid)
        for pid in parts:
            error.add_note(f"{name_of(pid)} {pid}: {files_of(pid)}")
            # One that is stopped would not end.
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGABRT)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not {*parts} & {*processes(self.pid)}, 10)
        error.add_note(self.output.read_text(encoding="utf-8", errors="replace")[-_MOST_OUTPUT:])

    def _answer(self) -> str:
        try:
            answer = session().get(self.url + "/readyz?verbose", timeout=5)
        except requests.RequestException as error:
            return f"/readyz: {error}"
        return f"/readyz: {answer.status_code} {answer.text}"

    def ready(self) -> bool:
        assert self.supervisor is not None
        assert self.supervisor.poll() is None, self.output.read_text(encoding="utf-8")
        try:
            return session().get(self.url + "/readyz", timeout=5).ok
        except requests.RequestException:
            return False

    def stop(self) -> int:
        assert self.supervisor is not None
        self.supervisor.terminate()
        return self.supervisor.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None = None, error: BaseException | None = None, *_: object
    ) -> None:
        """Leave nothing behind, whatever the result of the test; a failure is described first."""
        assert self.supervisor is not None
        if error is not None and self.supervisor.poll() is None:
            with contextlib.suppress(OSError):
                self._describe(error)
        # The process id of one that has ended may already be that of somebody else.
        alive = [*processes(self.pid), self.pid] if self.supervisor.poll() is None else []
        for pid in [*alive, *processes_of(self.data_dir)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.supervisor.wait()

    def part(self, name: str) -> int | None:
        """Return the process id of a part; None while it is down."""
        found = [pid for pid in processes(self.pid) if name_of(pid) == PARTS[name]]
        return found[0] if found else None

    def signal(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a part once it is running, and return its process id."""
        # Looked up once: a part that has just started may have ended by a second lookup.
        found: list[int | None] = []
        wait_until(lambda: found.append(self.part(name)) or found[-1])
        pid = found[-1]
        assert pid is not None
        os.kill(pid, number)
        return pid

    def connection(self) -> "redis.Redis":
        return connect(embedded.url(self.data_dir))

    def used(self) -> int | None:
        try:
            answer = session().get(self.url + "/api/v1/usage", timeout=15)
        except requests.RequestException:
            return None
        return int(answer.json()["used"]) if answer.ok else None

    def post(self, message: Message, timeout: float = 20) -> int:
        """Post once, and return the status; 0 if there was no answer."""
        try:
            return (
                session()
                .post(
                    self.url + "/v1/webhook",
                    data=message.body,
                    auth=("coder", SECRET),
                    headers={"Content-Type": "application/json"},
                    timeout=timeout,
                )
                .status_code
            )
        except requests.RequestException:
            return 0


class Client:
    """Posts messages from several threads, each until it is answered 2xx, and some of them again.

    Args:
        held: post only as many as `let` allows.
    """

    def __init__(self, system: System, messages: Sequence[Message], seed: int, *, held: bool = False) -> None:
        rng = random.Random(seed)
        self._work: queue.SimpleQueue[Message] = queue.SimpleQueue()
        work = [*messages, *rng.sample(list(messages), len(messages) // 10)]
        for message in work:
            self._work.put(message)
        self.total = len(work)
        self._allowed = threading.Semaphore(0)
        self._let = 0
        self._system = system
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(_THREADS)]
        if not held:
            self.let(self.total)
        self.taken: list[str] = []
        self.refused: list[int] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.let(self.total)
        for thread in self._threads:
            thread.join()

    def let(self, number: int) -> None:
        """Allow this many messages in total; with the last one, threads may find that there are no more."""
        if number > self._let:
            self._allowed.release(number - self._let + (len(self._threads) if number == self.total else 0))
            self._let = number

    def wait(self, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), f"{len(self.taken)} taken, {self.refused[-5:]}"

    def _run(self) -> None:
        while self._allowed.acquire() and not self._stopped.is_set():
            try:
                self._post(self._work.get_nowait())
            except queue.Empty:
                return

    def _post(self, message: Message) -> None:
        """Post until it is accepted, as Coder does, but faster."""
        while not self._stopped.is_set():
            status = self._system.post(message)
            if 200 <= status < 300:
                self.taken.append(message.id)
                return
            self.refused.append(status)
            self._stopped.wait(0.05)


def finish_later(data_dir: Path, **settings: Any) -> RedisServer:
    """Do the work of the first hour after a restart in this process, and return the Redis used for it."""
    server = RedisServer(data_dir)
    server.start()
    connection = connect(server.url)
    config = config_for(server.url, **settings)
    # Redis has its own clock, which does not jump: within the hour a dead scheduler's locks have expired.
    for lock in connection.scan_iter(match="rq:scheduler-lock:*"):
        connection.delete(lock)
    with time_machine.travel(timedelta(0)) as clock:
        for _ in range(5):
            for name in jobqueue.QUEUES:
                drain(connection, config, name)
            clock.shift(timedelta(minutes=6))
            sweep(connection, config)
            bring_back(connection, config)
        for name in jobqueue.QUEUES:
            drain(connection, config, name)
    runtime.forget()
    return server


_LOCAL = threading.local()


def session() -> requests.Session:
    """Return this thread's session, which ignores proxies in the environment."""
    if not hasattr(_LOCAL, "session"):
        _LOCAL.session = requests.Session()
        _LOCAL.session.trust_env = False
    found: requests.Session = _LOCAL.session
    return found


def processes(parent: int) -> list[int]:
    """Return the living children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")
        except OSError:
            continue
        state, ppid = rest.split()[:2]
        if int(ppid) == parent and state != "Z":
            found.append(int(stat.parent.name))
    return found


def processes_of(data_dir: Path) -> list[int]:
    """Return the living processes that were started for a data directory, whatever their present parent."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            mine = f"AWB_DATA_DIR={data_dir}".encode() in environ.read_bytes().split(b"\0")
        except OSError:
            continue
        if mine and int(environ.parent.name) != os.getpid():
            found.append(int(environ.parent.name))
    return found


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def files_of(pid: int) -> list[str]:
    """Return what the open files of a process are."""
    found = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(file.readlink()))
    return found


def title_of(pid: int) -> str:
    """Return the command line of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""
