"""A TCP proxy before Redis that delays, stalls, cuts and resets, and that strikes at a named step of the program."""

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from app.store.server.connection import script_text


def _calls(script: str) -> bytes:
    return hashlib.sha1(script_text(script).encode(), usedforsecurity=False).hexdigest().encode()


#: What a process sends to Redis at a step of its work: the point at which it may die, before or after Redis does it.
STEPS = {
    "take a delivery in": _calls("accept"),
    "take jobs from the queue": _calls("take"),
    "write records to the ledger": _calls("update_records"),
    "write down the verdicts": b":delivery:",
    "finish jobs": _calls("finish"),
    "announce a level": _calls("announce"),
    "claim a notification": _calls("claim"),
    "mark a notification as sent": b"sent_at",
    "note that a sweep is done": b"last_sweep_at",
    "take one job": b"BLMOVE",
    "book a job as begun": b"\r\nstarted\r\n",
    "confirm a verification": _calls("verified"),
    "keep where a pass is": _calls("step"),
}


@dataclass
class Trap:
    """Waits for a step.

    Attributes:
        after: strike when Redis has done it and before its answer is passed on, else before Redis sees it.
        kill: end the process that sent it by kill -9, else reset its connection.
        sprung: set when it struck.
    """

    step: str
    after: bool
    kill: bool
    sprung: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False)
class _Link:
    """One connection of a client."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    port: int
    striking: Trap | None = None


class Wire:
    """The proxy, in its own thread.

    Attributes:
        target: port of the server to which new connections lead.
        delay: seconds by which each piece is late.
        stalled: nothing is passed on, in either direction.
        refusing: new connections are reset.
        drip: bytes that are passed on at once; 0 for all.
    """

    def __init__(self, target: int, suspects: Callable[[], Iterable[int]]) -> None:
        """Prepare.

        Args:
            target: port of the server.
            suspects: gives the ids of the processes whose connections may be among ours.
        """
        self.target = target
        self.delay = 0.0
        self.stalled = False
        self.refusing = False
        self.drip = 0
        self.trap: Trap | None = None
        self.port = 0
        self._suspects = suspects
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def heal(self) -> None:
        self.delay, self.stalled, self.refusing, self.drip, self.trap = 0.0, False, False, 0, None

    def reset(self, share: float, rng: random.Random) -> int:
        """Reset a share of the open connections, and return their number."""

        async def do() -> int:
            chosen = [link for link in self._links if rng.random() < share]
            for link in chosen:
                self._cut(link)
            return len(chosen)

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for link in list(self._links):
            self._cut(link)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]
        if self.refusing:
            _reset(writer)
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, to_server, port)
        self._links.add(link)
        try:
            await asyncio.gather(self._upwards(link, reader), self._downwards(link, from_server))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._cut(link)

    async def _upwards(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65_536):
            await self._hold_up()
            trap = self.trap
            if trap and STEPS[trap.step] in data:
                self.trap = None
                if not trap.after:
                    self._strike(link, trap)
                    return
                link.striking = trap
            await self._pass(link.server, data)
        self._cut(link)

    async def _downwards(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65_536):
            if link.striking:
                self._strike(link, link.striking)
                return
            await self._hold_up()
            await self._pass(link.client, data)
        self._cut(link)

    async def _hold_up(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        while self.stalled:  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.02)

    async def _pass(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = self.drip or len(data)
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            if self.drip:
                await asyncio.sleep(0.001)

    def _strike(self, link: _Link, trap: Trap) -> None:
        if trap.kill:
            pid = owner_of(link.port, self.port, self._suspects())
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._cut(link)
        trap.sprung.set()

    def _cut(self, link: _Link) -> None:
        self._links.discard(link)
        _reset(link.client)
        link.server.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, so that the other end sees no orderly end."""
    found = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def owner_of(port: int, remote: int, suspects: Iterable[int]) -> int | None:
    """Return which of these processes owns the connection between two ports of this machine."""
    inode = None
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[2].endswith(f":{remote:04X}"):
            inode = f"socket:[{fields[9]}]"
    for pid in suspects:
        with contextlib.suppress(OSError):
            if any(str(file.readlink()) == inode for file in Path(f"/proc/{pid}/fd").iterdir()):
                return pid
    return None
