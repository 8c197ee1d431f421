"""Requests to the receiver, and a receiver in a separate process."""

import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import redis
from flask import Flask
from werkzeug.test import TestResponse

from app.config.load import Config
from app.store import keys
from app.store.rq import jobqueue
from app.web import server
from app.web.wire import draining
from app.web.wire.connections import Server
from tests.conftest import PATIENCE, SECRET, make_config
from tests.stored import unpacked
from workers.runner import worker

ROOT = Path(__file__).parents[2]
PAYLOADS = ROOT / "tests" / "core" / "payloads"
MESSAGE_ID = "3f0c2f5e-8f1f-4b52-8b0e-1d8f7a0c9e11"


def basic(secret: str = SECRET, user: str = "coder") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def notification(message_id: Any = MESSAGE_ID, number: int = 0, **payload: Any) -> bytes:
    """Return the body of a resumed task, of workspace `w<number>`; it counts as one build."""
    inner = {
        "_version": "1.2",
        "notification_name": "Task Resumed",
        "notification_template_id": "a2eb2d60-90a6-45ff-9c4b-d7cfcfb8a06e",
        "user_email": "ada@example.com",
        "user_name": "Ada Example",
        "user_username": "ada",
        "labels": {"task": f"w{number}", "workspace": f"w{number}"},
        "targets": [f"00000000-0000-4000-8000-{number:012d}"],
        **payload,
    }
    return json.dumps({"_version": "1.1", "msg_id": message_id, "payload": inner}).encode()


def payload_file(name: str) -> dict[str, Any]:
    return dict(json.loads((PAYLOADS / f"{name}.json").read_bytes()))


def answer(response: TestResponse) -> tuple[int, str]:
    """Return what a sender sees of an answer: the status code and the reported outcome."""
    return response.status_code, response.get_json()["status"]


def count_all(connection: "redis.Redis", config: Config) -> None:
    """Count what is queued, as the worker does."""
    worker(jobqueue.DELIVERIES, connection, config).work(burst=True, logging_level="WARNING")


def kept(connection: Any) -> list[bytes]:
    """Return the keys of accepted deliveries, without those that a receiver may write at any moment by itself."""
    own = {keys.REFUSED.encode(), keys.PARTS.encode()}
    return sorted(key for key in connection.scan_iter() if key not in own)


def everything(connection: Any) -> bytes:
    """Return all keys and values of a Redis, to look for what must not be there."""
    readers = {
        b"string": lambda key: [connection.get(key)],
        b"hash": lambda key: [part for pair in connection.hgetall(key).items() for part in pair],
        b"list": lambda key: connection.lrange(key, 0, -1),
        b"set": connection.smembers,
        b"stream": lambda key: [part for _, entry in connection.xrange(key) for pair in entry.items() for part in pair],
        b"zset": lambda key: connection.zrange(key, 0, -1),
    }
    parts = (part for key in connection.scan_iter() for part in (key, *readers[connection.type(key)](key)))
    return b"\n".join(text for part in parts for text in unpacked(part))


@dataclass
class Serving:
    """A server in a thread of this process, so that a test can choose the receiver's deadlines.

    Attributes:
        ended: set once every connection is closed after `stop`.
    """

    server: Server
    grace_seconds: float

    def __enter__(self) -> Self:
        self._asked, self.ended = threading.Event(), threading.Event()
        self.port: int = self.server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def _run(self) -> None:
        draining.run(self.server, self._asked, self.grace_seconds)
        self.ended.set()

    def stop(self) -> None:
        """Ask it to stop, without waiting."""
        self._asked.set()
        self.server.pull_trigger()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self.server.close()


def serving(app: Flask, grace_seconds: float = PATIENCE, **settings: Any) -> Serving:
    return Serving(server.server(app, make_config(**settings).settings, server.listen("127.0.0.1", 0)), grace_seconds)


@dataclass
class Receiver:
    """`awb web` in a separate process, on a free loopback port."""

    environ: dict[str, str]
    root: Path = ROOT
    port: int = 0

    def __enter__(self) -> Self:
        listener = server.listen("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "web", "--listen-fd", str(listener.fileno())],
            cwd=self.root,
            pass_fds=[listener.fileno()],
            env={**os.environ, "AWB_LOG_FORMAT": "json", **self.environ},
            stderr=self._log,
        )
        # The child holds it; a connection made from now on waits until the child takes it.
        listener.close()
        self.ask(request(path="/healthz", method="GET"), patience=120)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._log.close()

    def stop(self) -> None:
        """Ask it to stop, without waiting."""
        self._process.terminate()

    def wait(self) -> int:
        """Wait until it ends, and return its exit code."""
        return self._process.wait(PATIENCE)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def connect(self, patience: float = 20) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=patience)

    def ask(self, *parts: bytes, patience: float = 20) -> bytes:
        """Send bytes as they are, and return the whole answer; the other side has to close the connection."""
        with self.connect(patience) as wire:
            for part in parts:
                wire.sendall(part)
            return read_all(wire)


def read_all(wire: socket.socket) -> bytes:
    found = b""
    while True:
        try:
            part = wire.recv(65_536)
        except ConnectionResetError:  # closed before it read all that we sent
            part = b""
        if not part:
            return found
        found += part


def request(body: bytes = b"", path: str = "/v1/webhook", method: str = "POST", **headers: str) -> bytes:
    """Return an HTTP/1.1 request with these headers besides Host, Authorization and Connection."""
    named = {"Host": "localhost", **basic(), "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@contextmanager
def receiver(redis_url: str, root: Path = ROOT, **environ: str) -> Iterator[Receiver]:
    secrets = {"AWB_WEBHOOK_SECRET": SECRET, "AWB_SESSION_SECRET": SECRET}
    with Receiver({"AWB_REDIS_URL": redis_url, **secrets, **environ}, root) as running:
        yield running
