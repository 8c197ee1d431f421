"""Stand-ins for Slack and a mail server on loopback, which store what they receive."""

import json
import secrets
import threading
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Self

from app.simulator.loopback import HOST, LoopbackServer, free_port

_OK: Final = 200


class SinkError(RuntimeError):
    """A sink cannot be started."""


@dataclass(frozen=True, slots=True)
class Post:
    """One POST to the Slack sink.

    Attributes:
        at: time of arrival, in seconds since the epoch.
        message: the parsed body; None if it is not JSON.
        status: the status of the response.
    """

    at: float
    message: Any
    status: int


class SlackSink(LoopbackServer):
    """An incoming webhook like Slack's: it has one secret path and answers `ok`."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self._failures: list[tuple[int, int | None]] = []
        self._path = f"/services/T0SIMULATED/B0SIMULATED/{secrets.token_urlsafe(18)}"
        self._lock = threading.Lock()
        super().__init__(_handler(self))

    @property
    def url(self) -> str:
        return f"http://{self.netloc}{self._path}"

    @property
    def messages(self) -> list[Any]:
        """Every message that was accepted, oldest first."""
        return [post.message for post in self.posts if post.status == _OK]

    def fail_next(self, posts: int, status: int, retry_after: int | None = None) -> None:
        """Refuse the next posts, with 429 and Retry-After as Slack does, or with 500."""
        self._failures = [(status, retry_after)] * posts

    def receive(self, path: str, body: bytes) -> tuple[int, bytes, int | None]:
        """Process one POST, and return the response's status, body and Retry-After."""
        try:
            message = json.loads(body)
        except ValueError:
            message = None
        with self._lock:
            status, text, retry_after = _OK, b"ok", None
            if path != self._path:
                status, text = 404, b"no_service"
            elif message is None:
                status, text = 400, b"invalid_payload"
            elif self._failures:
                status, retry_after = self._failures.pop(0)
                text = b"rate_limited" if status == 429 else b"error"  # noqa: PLR2004 - Too Many Requests
            self.posts.append(Post(time.time(), message, status))
        return status, text, retry_after


def _handler(sink: SlackSink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, text, retry_after = sink.receive(self.path, self.rfile.read(length))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(text)))
            if retry_after is not None:
                self.send_header("Retry-After", str(retry_after))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Log nothing."""

    return Handler


@dataclass(frozen=True, slots=True)
class Mail:
    """One received message with its envelope recipients."""

    at: float
    recipients: tuple[str, ...]
    message: EmailMessage


class MailSink:
    """A mail server without TLS. It needs the optional package aiosmtpd."""

    def __init__(self, refuse: str = "") -> None:
        """Prepare the server; entering the context starts it.

        Args:
            refuse: an SMTP reply such as `451 try again later` to every message; empty to accept them.
        """
        self.refuse = refuse
        self.mails: list[Mail] = []
        self.port = free_port()
        self._controller = _mail_controller(self)

    @property
    def url(self) -> str:
        return f"smtp://{HOST}:{self.port}?tls=none"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Accept or refuse one message."""
        if self.refuse:
            return self.refuse
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append(Mail(time.time(), tuple(envelope.rcpt_tos), message))
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def _mail_controller(sink: MailSink) -> Any:
    try:
        from aiosmtpd.controller import Controller  # noqa: PLC0415 - optional
    except ImportError:
        raise SinkError(
            "the mail sink needs the package aiosmtpd, which the extra `demo` installs (docs/install/pip.md)"
        ) from None
    return Controller(sink, hostname=HOST, port=sink.port)
