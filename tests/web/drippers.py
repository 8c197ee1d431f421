"""Hundreds of clients that send slowly, each on its own socket, in one thread."""

import contextlib
import random
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Self

from tests.conftest import wait_until
from tests.web.make import notification, request

_EVERY_SECONDS = 0.5

BODY = notification("dripped")
HEAD = request(Authorization="", X_Padding="x" * 12_000, Content_Length="0")
#: What drips, and how much of it is sent at once. None of it is refused before it is complete.
KINDS: dict[str, tuple[bytes, int]] = {
    "head": (HEAD, 10),
    "nothing": (b"x", 0),
    "body of a form": (request(b"x" * 60_000, "/login", Authorization="", Content_Length="60000"), 400),
    "expected body": (request(Authorization="", Content_Length="60000", Expect="100-continue", path="/login"), 400),
    "chunks": (request(b"1\r\nx\r\n" * 9_000, "/login", Authorization="", Transfer_Encoding="chunked"), 400),
}


class Drippers:
    """A number of slow clients; one that is disconnected reconnects at once.

    Args:
        port: where to.
        count: how many at once.
        kinds: of `KINDS`, dealt in turn.
        address: gives each client's own address, by its number.
    """

    def __init__(
        self, port: int, count: int, kinds: Sequence[str] = tuple(KINDS), address: Callable[[int], str] | None = None
    ) -> None:
        self._port, self._kinds, self._address = port, kinds, address or (lambda _number: "127.0.0.1")
        self._count = count
        self._sent: dict[socket.socket, tuple[int, int]] = {}
        self._selector = selectors.DefaultSelector()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.cut_off = 0
        self.connected = 0

    def __enter__(self) -> Self:
        self._thread.start()
        # The kernel's queue of new connections holds what the server does not take.
        wait_until(lambda: self.connected >= self._count)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        for wire in self._sent:
            wire.close()
        self._selector.close()

    def _run(self) -> None:
        for number in range(self._count):
            self._connect(number)
        while not self._end.wait(_EVERY_SECONDS):
            for key, _ in self._selector.select(0):
                self._hear(key.fileobj)  # type: ignore[arg-type]
            for wire in random.sample(list(self._sent), len(self._sent)):
                self._drip(wire)

    def _connect(self, number: int) -> None:
        wire = socket.socket()
        wire.bind((self._address(number), 0))
        wire.settimeout(30)
        wire.connect(("127.0.0.1", self._port))
        wire.setblocking(False)
        self._sent[wire] = (number, 0)
        self._selector.register(wire, selectors.EVENT_READ)
        self.connected += 1

    def _hear(self, wire: socket.socket) -> None:
        """Read the answers; a client that got one, or lost its connection, starts again."""
        with contextlib.suppress(OSError):
            if wire.recv(65_536):
                return
        number, _ = self._sent.pop(wire)
        self._selector.unregister(wire)
        wire.close()
        self.cut_off += 1
        self._connect(number)

    def _drip(self, wire: socket.socket) -> None:
        number, sent = self._sent[wire]
        whole, step = KINDS[self._kinds[number % len(self._kinds)]]
        # The head of a request with a body goes at once.
        end = len(whole.partition(b"\r\n\r\n")[0]) + 4 if step == 400 and not sent else sent + step
        with contextlib.suppress(OSError):
            wire.send(whole[sent:end])
            self._sent[wire] = (number, min(end, len(whole) - 1))
