"""Recognizable secrets, receivers that fail in ugly ways, and the service between them."""

import json
import secrets
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

import redis
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from app.simulator.loopback import LoopbackServer, reset
from tests.conftest import PATIENCE
from tests.faults.system import System
from tests.notifiers.mailserver import MailServer
from tests.stored import unpacked
from tests.workers.make import ROOT, environment
from workers import embedded


@dataclass
class Planted:
    """Texts by name, each with a random word.

    The word is hexadecimal, so quoting for a URL, JSON, HTML or `repr` does not change it.
    """

    words: dict[str, str] = field(default_factory=dict)

    def plant(self, name: str, text: str = "{}") -> str:
        """Return a text with a new word in place of its braces."""
        self.words[name] = secrets.token_hex(12)
        return text.replace("{}", self.words[name])

    def take(self, name: str, text: str, word: str) -> str:
        """Register a text made elsewhere, given a word in it."""
        assert word in text
        self.words[name] = word
        return text

    def found_in(self, *texts: bytes) -> set[str]:
        """Return the names of texts found in some bytes, as they are or in base64."""
        lowered = [text.lower() for text in texts]
        return {
            name
            for name, word in self.words.items()
            if any(word.encode().lower() in text for text in lowered)
            or any(encoded in text for text in texts for encoded in in_base64(word))
        }


def in_base64(word: str) -> list[bytes]:
    """Return the possible base64 forms of a word inside another text: a group can begin at any of three places."""
    found = []
    for before in range(3):
        padded = b"\0" * before + word.encode()
        whole = padded[: len(padded) // 3 * 3]
        found.append(b64encode(whole)[(4 * before + 2) // 3 :])
    return found


def everything_in(connection: "redis.Redis") -> dict[str, bytes]:
    """Return everything in Redis by key; values include the key."""
    held = {}
    for key in connection.scan_iter(count=1000):
        values = [key, *_flat(_value(connection, key))]
        held[key.decode()] = b"\n".join(part for value in values for part in unpacked(value))
    return held


def _value(connection: Any, key: bytes) -> Any:
    readers: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: connection.get(key),
        b"hash": lambda: connection.hgetall(key),
        b"list": lambda: connection.lrange(key, 0, -1),
        b"set": lambda: connection.smembers(key),
        b"zset": lambda: connection.zrange(key, 0, -1),
        b"stream": lambda: connection.xrange(key),
        b"none": lambda: b"",  # expired meanwhile
    }
    return readers[connection.type(key)]()


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, Iterable):
        for item in value:
            yield from _flat(item)


class UglyServer(LoopbackServer):
    """Answers every request with an error that quotes the whole request, or resets the connection.

    Attributes:
        received: raw requests by the first part of their path.
    """

    def __init__(self) -> None:
        self.received: dict[str, list[bytes]] = {}
        super().__init__(_ugly(self))


#: The statuses to answer with, in turn; 0 resets the connection.
_STATUSES = (500, 0, 403, 200, 302)


def _ugly(ugly: UglyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = f"{self.requestline}\r\n{self.headers}".encode() + body
            group = ugly.received.setdefault(self.path.split("/")[1], [])
            status = _STATUSES[len(group) % len(_STATUSES)]
            group.append(request)
            if not status:
                reset(self.connection)
                return
            told = {"ok": False, "error": request.decode(), "message": f"bad: {self.headers}", "detail": body.decode()}
            text = json.dumps(told).encode()
            self.send_response(status, f"no: {self.path}")
            self.send_header("Location", f"http://{ugly.netloc}{self.path}")
            self.send_header("Retry-After", self.headers.get("Authorization") or self.path)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else text)

        do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            pass

        def finish(self) -> None:
            if self.connection.fileno() >= 0:
                super().finish()

    return Handler


class UglyMailServer(MailServer):
    """Accepts any login, then refuses recipients with an answer that quotes the credentials."""

    offered: LoginPassword | None = None

    def authenticate(self, server: SMTP, _s: Session, _e: Envelope, _m: str, data: LoginPassword) -> AuthResult:
        del server
        self.offered = data
        return AuthResult(success=True)

    async def handle_RCPT(self, server: SMTP, _s: Session, envelope: Envelope, address: str, _o: list[str]) -> str:  # noqa: N802
        if not address.startswith("refused"):
            return await super().handle_RCPT(server, _s, envelope, address, _o)
        assert self.offered is not None
        pair = b"\0%s\0%s" % (self.offered.login, self.offered.password)
        return f"550 5.1.1 {address}: not with {self.offered.password.decode()} or {b64encode(pair).decode()}"


class RedisWithPassword:
    """A server that requires a password and writes everything it receives to a file."""

    def __init__(self, directory: Path, port: int, password: str) -> None:
        self.directory, self.port, self.password = directory, port, password
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        lines = [f'requirepass "{self.password}"', f"port {self.port}", "bind 127.0.0.1", "appendonly yes", 'save ""']
        lines += [f"dir {self.directory}", "appendfsync everysec", "maxmemory-policy noeviction"]
        (self.directory / "redis.conf").write_text("\n".join(lines), encoding="utf-8")
        command = [str(embedded.find_server()), str(self.directory / "redis.conf")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def ever_written(self) -> bytes:
        return b"".join(file.read_bytes() for file in sorted(self.directory.rglob("*.aof")))


class Service(System):
    """`awb run` with its output in two files, and a separate Redis unless the settings name one."""

    @property
    def log_file(self) -> Path:
        return self.data_dir / "log.jsonl"

    def environ(self) -> dict[str, str]:
        usual = {"redis_url": "", "data_dir": self.data_dir, "bind": f"127.0.0.1:{self.port}"}
        environ = environment(**{**usual, "log_level": "debug", "log_format": "json", **self.settings})
        return {name: value for name, value in environ.items() if name != "AWB_REDIS_URL" or value}

    def start(self) -> Self:
        with self.output.open("ab") as output, self.log_file.open("ab") as log:
            command = [sys.executable, "-m", "app.cli", "run"]
            self.supervisor = subprocess.Popen(command, env=self.environ(), cwd=ROOT, stdout=output, stderr=log)
        return self

    def lines(self) -> list[dict[str, Any]]:
        """Return the log, which must consist of JSON objects."""
        return [json.loads(line) for line in self.log_file.read_text(encoding="utf-8").splitlines()]


@contextmanager
def redis_with_password(directory: Path, port: int, password: str) -> Iterator[RedisWithPassword]:
    server = RedisWithPassword(directory, port, password)
    server.start()
    try:
        yield server
    finally:
        server.stop()
