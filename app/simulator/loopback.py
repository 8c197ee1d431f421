"""HTTP servers on loopback, each in a thread of its own: stand-ins for Slack, Coder and other services."""

import contextlib
import itertools
import os
import random
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

HOST: Final = "127.0.0.1"
_POLL_SECONDS: Final = 0.02
#: Below those for clients, which begin at 32768 on Linux and at 49152 elsewhere, as are those for the bus of Redis
#: Cluster, 10,000 higher.
_PORTS: Final = range(10_000, 20_000)
_SLICE: Final = 200
_TURN: Final = itertools.count(random.randrange(_SLICE))


class LoopbackServer:
    """Serves on a free port within its context."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = _Server((HOST, 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True)

    @property
    def netloc(self) -> str:
        return f"{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def reset(connection: socket.socket) -> None:
    """Close a connection with RST, as happens when a process is killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def free_port() -> int:
    """Return a loopback port that was free at the time of the call, and that nobody takes by chance.

    The system gives none of these ports to clients: with a port from its own range, any connection could take it before
    the server binds it, or while the server restarts. Processes that follow each other have different slices.

    Raises:
        OSError: none is free.
    """
    for _ in range(_SLICE):
        port = _PORTS.start + os.getpid() % (len(_PORTS) // _SLICE) * _SLICE + next(_TURN) % _SLICE
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise OSError(f"no port of {HOST} from {_PORTS.start} to {_PORTS.stop - 1} is free")
