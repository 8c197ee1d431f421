"""A real HTTP server whose behaviour each test defines, and helpers for all tests of the API."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.coder.api import CoderApi, CoderApiError

TOKEN = "Zk3sEcReTx-aBcDeFgHiJkLmNoPqRsTuV"
URL = "https://coder.example.com"
V2 = f"{URL}/api/v2"


def api(url: str = URL, **more: Any) -> CoderApi:
    """Return an API client that does not wait between attempts, unless the test configures it."""
    return CoderApi(url, TOKEN, **({"sleep": lambda _seconds: None} | more))


def failure_of(call: Callable[..., Any], *arguments: Any) -> CoderApiError:
    with pytest.raises(CoderApiError) as caught:
        call(*arguments)
    return caught.value


class Handler(BaseHTTPRequestHandler):
    """Answers by calling the test's function."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.client_address, self.command, self.path, dict(self.headers), body))
        self.server.behave(self)

    do_PUT = do_GET  # noqa: N815 - the name that http.server looks for

    def reply(self, status: int = 200, body: bytes = b"{}", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self, length: int) -> None:
        """Announce a body of the given number of bytes, which the test then sends."""
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def reset(self) -> None:
        """Reset the connection, so that the client gets an error."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, behave: Callable[[Handler], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave = behave
        self.requests: list[tuple[Any, str, str, dict[str, str], bytes]] = []
        #: Set at the end of the test, so that waiting handlers return.
        self.over = threading.Event()
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def hang_up(self) -> None:
        """Close the connections that clients keep open for later requests."""
        self.over.set()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        pass  # Clients that give up are part of the tests.


@contextmanager
def serving(behave: Callable[[Handler], None], tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, Server]]:
    with Server(behave) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
            yield f"{scheme}://{host}:{server.server_port}", server
        finally:
            server.shutdown()
            server.hang_up()
            thread.join()


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()
