"""A receiver that is asked to stop first finishes: every accepted request is answered."""

import signal
import threading
import time
from typing import Final

from app import clock
from app.web.wire.connections import Server

#: A connection without a request is closed after this many seconds of silence. Its client may already be sending the
#: next request.
QUIET_SECONDS: Final = 1.0
_LOOK_EVERY_SECONDS: Final = 0.1


def serve(server: Server, grace_seconds: float) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Must be called in the main thread.

    Args:
        server: built by `app.web.server.server`.
        grace_seconds: the maximum time for a request that was accepted.
    """
    asked = threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        server.pull_trigger()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    run(server, asked, grace_seconds)


def run(server: Server, asked: threading.Event, grace_seconds: float) -> None:
    """Serve until asked to stop, then drain; whoever asks pulls the server's trigger."""
    while not asked.is_set():
        _look(server, 1.0)
    drain(server, grace_seconds)


def drain(server: Server, grace_seconds: float) -> None:
    """Accept no new connections, answer requests on existing ones, and then close each of them."""
    begin = time.monotonic()
    server.stop_accepting()
    while server.active_channels and time.monotonic() < begin + grace_seconds:
        now = time.monotonic()
        for connection in list(server.active_channels.values()):
            quiet = connection.idle and now > max(begin, connection.begun) + QUIET_SECONDS
            # This process may have been slow to read what came in time.
            if quiet and not connection.has_unread_input():
                connection.will_close = True
        server.maintenance(clock.now().timestamp())
        _look(server, _LOOK_EVERY_SECONDS)
    server.task_dispatcher.shutdown(timeout=max(0.0, begin + grace_seconds - time.monotonic()))


def _look(server: Server, seconds: float) -> None:
    server.asyncore.loop(timeout=seconds, map=server._map, use_poll=True, count=1)  # noqa: SLF001 - Waitress' own name
