"""Waitress' connections with deadlines and a share for each address, so that slow clients block nobody else."""

import contextlib
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog
from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from app import clock
from app.config.settings import Settings
from app.core.access.people import Network, within
from app.web.refusals import EXTENSION as REFUSALS
from app.web.refusals import Refusals
from app.web.wire import bodies
from app.web.wire.answers import Answer, Refused
from app.web.wire.parser import HEAD_SECONDS, Parser

log = structlog.get_logger(__name__)
#: A client that does not read an answer within this time is disconnected.
ANSWER_SECONDS: Final = 120.0
#: A client that reads nothing for this long is disconnected while a thread still writes its answer.
STUCK_SECONDS: Final = 30.0
#: Unread input is discarded for this long after the answer: closing at once would reset the connection, and the client
#: might never see the answer.
LINGER_SECONDS: Final = 3.0
#: The request of a connection younger than this may still be on its way.
_GRACE_SECONDS: Final = 1.0
_LOG_EVERY_SECONDS: Final = 60.0
#: Fewer bytes of an answer wait for its end, and are sent together.
_SENT_AT_ONCE: Final = 16_384
#: The share of a process's connections above which the address with the most loses some.
_FULL: Final = 0.9


class Connection(HTTPChannel):  # type: ignore[misc]
    """One client's connection.

    Attributes:
        known: whether one of its requests had the webhook's secret.
        begun: when it was accepted or its last answer was sent, in monotonic seconds.
    """

    task_class = Answer
    error_task_class = Refused
    known = False
    close_when_flushed: bool = False
    _answering: float | None = None
    _linger = False
    _lingers_until: float | None = None

    def __init__(self, server: "Server", *args: Any, **kwargs: Any) -> None:
        self.begun = time.monotonic()
        self._served = False
        super().__init__(server, *args, **kwargs)
        self.parser_class = server.new_parser

    @property
    def waiting(self) -> bool:
        """Return whether the connection is waiting for its client."""
        return not self.requests

    @property
    def idle(self) -> bool:
        """Return whether no data is under way in either direction."""
        return self.waiting and self.request is None and not self.total_outbufs_len

    def has_unread_input(self) -> bool:
        """Return whether bytes of the client wait to be read."""
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def service(self) -> None:
        request = self.requests[0]
        self.known = self.known or getattr(request, "known", False)
        self._linger = bool(request.error or getattr(request, "unread", False))
        if self.server.draining and len(self.requests) == 1:
            request.headers["CONNECTION"] = "close"
        super().service()
        self._served, self.begun = True, time.monotonic()

    def overdue(self, now: float) -> bool:
        """Return whether the client has exceeded its deadline."""
        if self._lingers_until is not None:
            return now > self._lingers_until
        if not self.waiting:
            # So much is left of a large answer that its thread waits for this client, and serves nobody else.
            stuck = self.total_outbufs_len > self.adj.outbuf_high_watermark
            return bool(stuck and clock.now().timestamp() > self.last_activity + STUCK_SECONDS)
        if self.total_outbufs_len:
            self._answering = self._answering or now
            return now > self._answering + ANSWER_SECONDS
        self._answering = None
        request = self.request
        if request is not None:
            return now > float(request.deadline)
        # Between two requests Waitress' own time-out applies.
        return not self._served and now > self.begun + HEAD_SECONDS

    def writable(self) -> bool:
        """Return whether the main thread has something to do for the answer.

        A thread that serves a request sends its answer itself, unless the client is too slow for a large one. Waitress'
        main thread would meanwhile find again and again that the socket is writable and its lock taken, and so keep
        that thread waiting for the interpreter: 8 threads with 64 busy connections answered 200 requests a second
        instead of 1,400.
        """
        left: int = self.total_outbufs_len
        if left and (not self.requests or left > self.adj.outbuf_high_watermark):
            return True
        return bool(self.will_close or self.close_when_flushed)

    def send_answer(self) -> None:
        """Send what is left of an answer, in the thread that serves the request; the main thread sends the rest."""
        if self.total_outbufs_len:
            with self.outbuf_lock:
                self._flush_exception(self._flush_some, do_close=False)

    def handle_write(self) -> None:
        if not (self._linger and self.close_when_flushed) or self.will_close:
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.will_close:
            self.handle_close()
        elif self.connected and not self.total_outbufs_len:
            self.close_when_flushed = False
            self._lingers_until = time.monotonic() + LINGER_SECONDS
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)

    def handle_read(self) -> None:
        if self._lingers_until is None:
            super().handle_read()
            return
        # An empty read has already closed it.
        with contextlib.suppress(OSError):
            self.recv(self.adj.recv_bytes)

    def handle_close(self) -> None:
        if self.request is not None:
            self.request.close()
        super().handle_close()


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Serves one listening socket.

    A client that is too slow is disconnected. If an address has more waiting connections than its share, or the process
    as many as it can have, those that have waited longest are closed, but none that had the webhook's secret as long as
    there are others.
    """

    channel_class = Connection
    draining = False

    def __init__(
        self, app: Flask, listener: socket.socket, *, share: int, proxies: Iterable[Network], **more: Any
    ) -> None:
        self.refusals: Refusals | None = app.extensions.get(REFUSALS)
        self._bodies: bodies.Bodies = app.extensions.get(bodies.EXTENSION) or bodies.Bodies(bodies.nothing)
        self.base_path = str(app.config["APPLICATION_ROOT"]).rstrip("/")
        self._share, self._proxies = share, tuple(proxies)
        self._closed: Counter[str] = Counter()
        self._log_after = 0.0
        described = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(app, {}, _sock=listener, bind_socket=False, sockinfo=described, **more)
        # As an argument it is deprecated; Waitress' default is 1.
        self.adj.send_bytes = _SENT_AT_ONCE

    def take_over(self, app: Flask, settings: Settings) -> None:
        """Use an application with other settings from the next request on; those in progress keep the old one."""
        former, self.refusals = self.refusals, app.extensions.get(REFUSALS)
        if self.refusals is not None:
            self.refusals.start()
        self._bodies.rule = app.extensions[bodies.EXTENSION].rule
        self._share, self._proxies = settings.max_connections_per_address, settings.proxy_addresses
        self.base_path = settings.base_path
        self.application = app
        if former is not None:
            former.stop()

    def new_parser(self, adj: Any) -> Parser:
        return Parser(adj, self._bodies)

    def stop_accepting(self) -> None:
        """Accept pending connections, and no more; every connection is closed after its next answer."""
        self.draining = True
        before = -1
        while len(self.active_channels) != before:
            before = len(self.active_channels)
            self.handle_accept()
        self.accepting = False
        self.del_channel()
        self.socket.close()

    def maintenance(self, now: float) -> None:
        """Close connections that are idle, overdue or too many; Waitress calls this every `cleanup_interval`."""
        for connection in list(self.active_channels.values()):
            # Its client takes nothing more, so its socket is not writable, and the loop never gets to close it.
            if connection.will_close and connection.total_outbufs_len:
                connection.handle_close()
        super().maintenance(now)
        moment = time.monotonic()
        left: dict[str, list[Connection]] = defaultdict(list)
        for connection in list(self.active_channels.values()):
            if connection.overdue(moment):
                self._close([connection], "too slow")
            if not connection.will_close:
                left[connection.addr[0]].append(connection)
        for address, connections in left.items():
            over = len(connections) - self._share if self._share else 0
            if over > 0 and not within(address, self._proxies):
                self._close(_longest_waiting(connections, moment)[:over], "over the share of an address")
        self._make_room(left, moment)
        if self._closed and moment > self._log_after:
            log.warning("connections closed", counts=dict(self._closed))
            self._closed.clear()
            self._log_after = moment + _LOG_EVERY_SECONDS

    def _make_room(self, by_address: Mapping[str, list[Connection]], moment: float) -> None:
        left = {
            address: [one for one in connections if not one.will_close] for address, connections in by_address.items()
        }
        over = sum(map(len, left.values())) - int(self.adj.connection_limit * _FULL)
        for connections in sorted(left.values(), key=len, reverse=True):
            if over <= 0:
                return
            closed = _longest_waiting(connections, moment)[:over]
            self._close(closed, "over the limit of the process")
            over -= len(closed)

    def _close(self, connections: Iterable[Connection], why: str) -> None:
        for connection in connections:
            connection.will_close = True
            self._closed[why] += 1


def _longest_waiting(connections: Iterable[Connection], moment: float) -> list[Connection]:
    """Return the connections that may be closed, in the order in which to close them."""
    old = [one for one in connections if one.waiting and not one.will_close and moment > one.begun + _GRACE_SECONDS]
    return sorted(old, key=lambda one: (one.known or (one.request is not None and one.request.known), one.begun))
