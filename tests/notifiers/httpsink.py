"""A real HTTP server on loopback whose answers the test chooses, including invalid ones."""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

Reply = Callable[[socket.socket], None]


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpSink:
    """Received requests, and the answers to them: each of `replies` once, then the last one repeatedly."""

    replies: list[Reply]
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    def serve(self, connection: socket.socket) -> None:
        request = _read(connection)
        if request is None:
            return
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        with contextlib.suppress(OSError):  # The client has closed the connection.
            reply(connection)


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
    told = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return lambda connection: connection.sendall("\r\n".join(lines).encode() + body)


def raw(content: bytes) -> Reply:
    return lambda connection: connection.sendall(content)


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def silence(connection: socket.socket) -> None:
    """Send nothing until the client closes the connection."""
    connection.settimeout(20)
    connection.recv(1)


def trickle(start: bytes) -> Reply:
    """Begin an answer that continues byte by byte until the client disconnects or the test ends."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        connection.settimeout(0.05)
        for _ in range(100):
            connection.sendall(b"z")
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    return

    return send


@contextmanager
def sink(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[HttpSink]:
    served = HttpSink(list(replies))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):  # Includes failed handshakes.
                connection = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                served.serve(connection)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        served.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def _read(connection: socket.socket) -> Request | None:
    with connection.makefile("rb") as incoming:
        first = incoming.readline().decode("latin-1").split(" ")
        if len(first) != 3:
            return None
        headers = {}
        while line := incoming.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Request(first[0], first[1], headers, incoming.read(int(headers.get("content-length", 0))))
