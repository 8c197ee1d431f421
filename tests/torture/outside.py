"""Slack and a mail server that fail on demand, in every known way, and count what they accepted."""

import json
import random
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from aiosmtpd.controller import Controller

from app.simulator.loopback import LoopbackServer, free_port, reset

#: Called with the name of each fault that a request met.
Tally = Callable[[str], object]
_LOGIN_PAGE = b"<!doctype html><title>Log in</title><form method=post><input name=password></form>"
_SLACK = {
    "slack: 500": (500, b"server_error"),
    "slack: 503": (503, b"<h1>Service Unavailable</h1>"),
    "slack: 429": (429, b"rate_limited"),
    "slack: login page with 200": (200, _LOGIN_PAGE),
    "slack: redirect": (302, b""),
}
#: Slack has the message, and the sender cannot know it.
LOST = ("slack: answer lost", "slack: answer late", "mail: answer lost")
SLACK_FAULTS = (*_SLACK, "slack: connection reset", *LOST[:2])
MAIL_FAULTS = ("mail: 451", "mail: 421", "mail: 452 after the data", "mail: connection reset", LOST[2])
_LATE_SECONDS = 12.0


class _Planned:
    """What goes wrong with the next requests."""

    def __init__(self, tally: Tally) -> None:
        self._plan: list[str] = []
        self._lock = threading.Lock()
        self._tally = tally

    def plan(self, *kinds: str) -> None:
        with self._lock:
            self._plan += kinds

    def heal(self) -> None:
        with self._lock:
            self._plan.clear()

    def draw(self) -> str:
        with self._lock:
            kind = self._plan.pop(0) if self._plan else ""
        if kind:
            self._tally(kind)
        return kind


class Slack(_Planned, LoopbackServer):
    """An incoming webhook.

    Attributes:
        texts: of every message that was taken, oldest first.
    """

    def __init__(self, tally: Tally) -> None:
        _Planned.__init__(self, tally)
        LoopbackServer.__init__(self, _handler(self))
        self.texts: list[str] = []

    @property
    def url(self) -> str:
        return f"http://{self.netloc}/services/T0/B0/torture"


def _handler(slack: Slack) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a class in a function
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = slack.draw()
            status, text = _SLACK.get(kind, (200, b"ok"))
            if text == b"ok" and kind != "slack: connection reset":
                slack.texts.append(json.loads(body)["text"])
            if kind in ("slack: connection reset", "slack: answer lost"):
                self._reset()
                return
            if kind == "slack: answer late":
                time.sleep(_LATE_SECONDS)
            self._answer(status, text)

        def _answer(self, status: int, text: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            if status == 429:
                self.send_header("Retry-After", "2")
            if status == 302:
                self.send_header("Location", "https://login.example.com/")
            self.end_headers()
            self.wfile.write(text)

        def _reset(self) -> None:
            self.close_connection = True
            reset(self.connection)

        def finish(self) -> None:
            if self.connection.fileno() >= 0:
                super().finish()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Stay silent."""

    return Handler


class Mail(_Planned):
    """A mail server without TLS.

    Attributes:
        subjects: of every message that was taken, oldest first.
    """

    def __init__(self, tally: Tally) -> None:
        super().__init__(tally)
        self.subjects: list[str] = []
        self._port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self._port)
        self._kind = ""

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}?tls=none"

    async def handle_MAIL(self, server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        self._kind = self.draw()
        if self._kind == "mail: connection reset":
            server.transport.abort()
        if self._kind == "mail: 421":
            return "421 4.3.2 closing"
        if self._kind == "mail: 451":
            return "451 4.7.1 greylisted"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self._kind == "mail: 452 after the data":
            return "452 4.2.2 mailbox full"
        self.subjects.append(bytes(envelope.content).partition(b"Subject: ")[2].partition(b"\r\n")[0].decode())
        if self._kind == "mail: answer lost":
            server.transport.abort()
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def some(rng: random.Random, kinds: tuple[str, ...], most: int = 3) -> list[str]:
    return [rng.choice(kinds) for _ in range(rng.randint(1, most))]
