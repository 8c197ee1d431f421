"""Child processes that are started, watched and ended here. Everything listens on loopback or a Unix socket."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from app.store.server.connection import connect
from workers import embedded

ROOT: Final = Path(__file__).resolve().parent.parent
SECRET: Final = "a-secret-of-the-bench"
_STARTING: Final = 30.0
_ENDING: Final = 25.0


class ChildError(RuntimeError):
    """A child did not start, or ended early."""


@contextmanager
def workplace() -> Iterator[Path]:
    """Create a temporary directory with a short path, as Unix sockets need."""
    path = Path(tempfile.mkdtemp(prefix="awb-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def environment(directory: Path, **settings: str) -> dict[str, str]:
    """Return an environment without any configuration, proxy or Redis from outside."""
    empty = directory / "empty.toml"
    empty.touch()
    unwanted = ("http_proxy", "https_proxy", "all_proxy", "node_options")
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith("AWB_") and key.lower() not in unwanted
    }
    return {**kept, "AWB_CONFIG": str(empty), "AWB_DATA_DIR": str(directory), "AWB_WEBHOOK_SECRET": SECRET, **settings}


@contextmanager
def child(
    command: Sequence[str], log: Path, env: Mapping[str, str], fds: Sequence[int] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a child, which inherits the given files, until the block is left; its output goes to the log."""
    with log.open("ab") as out:
        # A separate session: Ctrl-C reaches only this process, which ends the children in order.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=env,
            cwd=ROOT,
            start_new_session=True,
            pass_fds=fds,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def store(directory: Path) -> Iterator[tuple[str, "redis.Redis"]]:
    """Run the same Redis as `awb run`, and yield its URL and a connection."""
    directory.mkdir(exist_ok=True)
    command = embedded.command(embedded.find_server(), directory)
    with child(command, directory / "redis.log", dict(os.environ)) as process:
        embedded.wait_ready(directory, process)
        url = embedded.url(directory)
        connection = connect(url)
        try:
            yield url, connection
        finally:
            connection.close()


def awb(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", *arguments]


def rq_worker(url: str, queue: str, *more: str) -> list[str]:
    """Return the command of RQ's own worker."""
    return [sys.executable, "-m", "rq.cli", "worker", "-u", url, "-S", "json", "--quiet", *more, queue]


def wait_listening(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a child accepts connections.

    Raises:
        ChildError: it ended, or took too long.
    """

    def listens() -> bool:
        if process.poll() is not None:
            raise ChildError(f"ended with {process.returncode}: {last_words(log)}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    if not wait_until(listens, _STARTING):
        raise ChildError(f"is not listening: {last_words(log)}")


def wait_answering(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a child answers a GET with 200.

    Raises:
        ChildError: it ended, or took too long.
    """
    address, _, path = url.removeprefix("http://").partition("/")

    def answers() -> bool:
        if process.poll() is not None:
            raise ChildError(f"ended with {process.returncode}: {last_words(log)}")
        client = http.client.HTTPConnection(address, timeout=_STARTING)
        try:
            client.request("GET", f"/{path}")
            return client.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            client.close()

    if not wait_until(answers, _STARTING):
        raise ChildError(f"does not answer: {last_words(log)}")


def wait_until(condition: Callable[[], Any], seconds: float, pause: float = 0.02) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return False


def last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
