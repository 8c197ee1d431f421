"""Waitress' request parser, extended to check the head before a body is accepted, and to refuse ambiguous requests."""

import time
from typing import Any, Final, NoReturn

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge
from werkzeug.exceptions import RequestEntityTooLarge as BodyTooLarge

from app.web.wire.bodies import Bodies

#: Seconds from the first byte of a request to the end of its head, and from there to the end of its body.
HEAD_SECONDS: Final = 10.0
BODY_SECONDS: Final = 20.0
_RETRY_AFTER_SECONDS: Final = 30


class Busy(BadRequest):  # type: ignore[misc]
    """Too many bodies are in memory."""

    code = 503
    reason = "Service Unavailable"

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        status, headers, body = super().to_response(ident)
        return status, [*headers, ("Retry-After", str(_RETRY_AFTER_SECONDS))], body


class Unread:
    """A body that was not read, for a view that wants it anyway."""

    def read(self, *_: Any) -> NoReturn:
        raise BodyTooLarge

    readline = readlines = readinto = __iter__ = read


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Parses one request.

    A body that is not wanted is left unread: the application answers from the head, and the connection is closed.

    Attributes:
        unread: whether the body is left unread.
        known: whether the request had the webhook's secret.
        deadline: when the part that is being read must be complete, in monotonic seconds.
    """

    unread = False
    known = False
    error: Error | None = None

    def __init__(self, adj: Adjustments, bodies: Bodies) -> None:
        super().__init__(adj)
        self.deadline = time.monotonic() + HEAD_SECONDS
        self._bodies = bodies
        self._limit = 0
        self._reserved = 0

    def received(self, data: bytes) -> int:
        """Take bytes, and return how many of them belong to this request."""
        in_head = not self.headers_finished
        consumed: int = super().received(data)
        if self.body_rcv is not None and not self.unread:
            if in_head and self.headers_finished:
                self._admit()
            elif self.body_bytes_received > self._limit and not self.error:
                self.error = RequestEntityTooLarge(f"more than {self._limit} bytes")
                self.completed = True
        if self.error or self.unread:
            # Otherwise Waitress would send 100 Continue, and then wait for the body.
            self.expect_continue = False
        return len(data) if self.unread else consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the head.

        Raises:
            ParsingError: it is malformed, or parsers could disagree about where the body ends.
        """
        try:
            super().parse_header(header_plus)
        except TransferEncodingNotImplemented as error:
            raise ParsingError(str(error)) from error
        except ValueError as error:
            # A length with more digits than int() accepts, or a bracket in the URL.
            raise ParsingError("A number or the URL is invalid") from error
        if self.path and not self.path.startswith("/") and self.path != "*":
            raise ParsingError("The path must begin with a slash")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Transfer-Encoding and Content-Length exclude each other")
        if "TRANSFER_ENCODING" in self.headers:
            raise ParsingError("Transfer-Encoding needs HTTP/1.1")

    def get_body_stream(self) -> Any:
        return Unread() if self.unread else super().get_body_stream()

    def close(self) -> None:
        """Release the room of the body. May be called twice."""
        super().close()
        reserved, self._reserved = self._reserved, 0
        if reserved:
            self._bodies.release(reserved, known=self.known)

    def _admit(self) -> None:
        """Decide whether the body is read."""
        if self.error and not isinstance(self.error, RequestEntityTooLarge):
            return
        self.deadline = time.monotonic() + BODY_SECONDS
        grant = self._bodies.rule(self.command, self.path, self.headers)
        self.known, self._limit = grant.known, grant.limit
        size = grant.limit if self.chunked else self.content_length
        if grant.limit == 0 or size > grant.limit:
            self.error = None
            self._leave_unread()
        elif self._bodies.reserve(size, known=grant.known):
            self._reserved = size
        else:
            self.error = Busy("Too many requests at once; try again later")
            self._leave_unread()

    def _leave_unread(self) -> None:
        self.unread = self.completed = True
        self.headers["CONNECTION"] = "close"
