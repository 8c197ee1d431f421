"""One client connection to the simulated Coder, including its faults."""

import json
import time
from contextlib import AbstractContextManager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Final, Protocol

from app.simulator.api.faults import ApiFaults, FaultKind
from app.simulator.loopback import reset

_TOKEN_HEADER: Final = "Coder-Session-Token"  # noqa: S105 - a header's name


class Answers(Protocol):
    """The parts of the server that a connection uses."""

    @property
    def faults(self) -> ApiFaults: ...

    def under_way(self, method: str, target: str) -> AbstractContextManager[FaultKind | None]: ...

    def answer(self, method: str, target: str, token: str, body: bytes) -> tuple[HTTPStatus, Any]: ...


def error_body(message: str, detail: str = "", validations: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """Return an error body in the shape that all endpoints of Coder share."""
    error: dict[str, Any] = {"message": message}
    if detail:
        error["detail"] = detail
    if validations:
        error["validations"] = [{"field": field, "detail": text} for field, text in validations]
    return error


class Connection(BaseHTTPRequestHandler):
    """Answers requests one after the other and writes each response at once."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True
    wbufsize = -1
    answers: ClassVar[Answers]

    def do_GET(self) -> None:
        self._respond()

    def do_PUT(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.answers.under_way(self.command, self.path) as kind:
            faults = self.answers.faults
            # Rate limits and server errors come before any other check.
            if kind is FaultKind.REFUSED:
                self._reset()
            elif kind is FaultKind.RATE_LIMITED:
                after = {"Retry-After": str(faults.retry_after)}
                self._send(HTTPStatus.TOO_MANY_REQUESTS, error_body("Too many requests."), more=after)
            elif kind is FaultKind.SERVER_ERROR:
                self._send(HTTPStatus(faults.error_status), error_body("An internal server error occurred."))
            elif kind is FaultKind.LOGIN_PAGE:
                self._send_page("<!doctype html><title>Log in</title><form method=post><input name=password></form>")
            else:
                token = self.headers.get(_TOKEN_HEADER) or ""
                status, answer = self.answers.answer(self.command, self.path, token, body)
                if kind is FaultKind.SLOW:
                    time.sleep(faults.slow_seconds)
                self._send(status, answer, kind)

    def _send(
        self, status: HTTPStatus, answer: Any, kind: FaultKind | None = None, more: dict[str, str] | None = None
    ) -> None:
        text = b"" if status is HTTPStatus.NOT_MODIFIED else json.dumps(answer).encode() + b"\n"
        if kind is FaultKind.BROKEN_JSON:
            text = text[: len(text) // 2]
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if kind is FaultKind.DROP_CONNECTION:
            self.wfile.write(text[: len(text) // 2])
            self.wfile.flush()
            self._reset()
            return
        self.wfile.write(text)
        self.wfile.flush()

    def _send_page(self, page: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page.encode())
        self.wfile.flush()

    def _reset(self) -> None:
        """Close with RST, as happens when a process is killed."""
        self.close_connection = True
        reset(self.connection)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Log nothing."""
