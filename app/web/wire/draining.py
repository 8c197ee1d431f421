"""A receiver that is asked to stop finishes what it has taken on: no request is left without its answer."""

import signal
import threading
import time
from typing import Final

from app import clock
from app.web.wire.connections import Server

#: A connection without a request is closed once it has been quiet for this long. Whoever keeps it open may be sending
#: the next one already.
QUIET_SECONDS: Final = 1.0
_LOOK_EVERY_SECONDS: Final = 0.1


def serve(server: Server, grace_seconds: float) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Must be called in the main thread.

    Args:
        server: built by `app.web.server.server`.
        grace_seconds: for how long a request that was taken on may take.
    """
    asked = threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        server.pull_trigger()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    while not asked.is_set():
        _look(server, 1.0)
    drain(server, grace_seconds)


def drain(server: Server, grace_seconds: float) -> None:
    """Take no new connections, answer what comes on those that are there, and close each one after that."""
    begin = time.monotonic()
    server.stop_accepting()
    while server.active_channels and time.monotonic() < begin + grace_seconds:
        now = time.monotonic()
        for connection in list(server.active_channels.values()):
            if connection.idle and now > max(begin, connection.begun) + QUIET_SECONDS:
                connection.will_close = True
        server.maintenance(clock.now().timestamp())
        _look(server, _LOOK_EVERY_SECONDS)
    server.task_dispatcher.shutdown(timeout=max(0.0, begin + grace_seconds - time.monotonic()))


def _look(server: Server, seconds: float) -> None:
    server.asyncore.loop(timeout=seconds, map=server._map, use_poll=True, count=1)  # noqa: SLF001 - Waitress' own name
