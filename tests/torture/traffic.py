"""Notifications with a known number of builds, and a sender that is as patient as Coder on a bad network."""

import contextlib
import json
import random
import socket
import struct
import threading
import time
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from tests.conftest import SECRET

#: The deployment without Coder's API, of which every unit is known because this module makes it.
ESTIMATED = "estimated"
_PATH = f"/v1/webhook/{ESTIMATED}"
_THREADS = 6
#: A post that is not answered within these seconds hangs. An answer takes two seconds where Redis hangs, and longer
#: only where the machine has other work.
PATIENCE = 60.0
_AUTHORIZATION = b64encode(f"coder:{SECRET}".encode()).decode()
#: What happens to a share of all posts on the way.
_ON_THE_WAY = {"client: answer lost": 0.12, "client: body cut": 0.08, "client: twice at once": 0.08}


@dataclass(eq=False)
class Letter:
    """One notification.

    Attributes:
        workspace: whose build it proves; empty where it proves none.
        junk: it is no notification, and goes into the quarantine.
        tries: by how many requests it was sent so far.
        taken_at: when it was answered 2xx for the first time, on the monotonic clock; 0 before that.
    """

    id: str
    path: str
    body: bytes
    workspace: str = ""
    junk: bool = False
    tries: int = 0
    taken_at: float = 0.0


def letters_of(rng: random.Random, number: int) -> list[Letter]:
    """Make notifications: most count one unit, some count nothing, and some are not valid."""
    letters: list[Letter] = []
    workspace, left = "", 0
    for _ in range(number):
        luck = rng.random()
        message_id = str(UUID(int=rng.getrandbits(128), version=4))
        if not left:
            workspace, left = str(UUID(int=rng.getrandbits(128), version=4)), rng.randint(1, 6)
        if luck < 0.06:
            body = b'{"msg_id": "' + message_id.encode() + b'", "payload": {'
            letters.append(Letter(message_id, _PATH, body, junk=True))
        elif luck < 0.14:
            letters.append(Letter(message_id, _PATH, _body(message_id, "Workspace Deleted", workspace)))
        elif luck < 0.2:
            letters.append(Letter(message_id, _PATH, _body(message_id, "Something New", workspace)))
        else:
            left -= 1
            letters.append(Letter(message_id, _PATH, _body(message_id, "Task Resumed", workspace), workspace))
    rng.shuffle(letters)
    return letters


def _body(message_id: str, name: str, workspace: str) -> bytes:
    payload = {
        "notification_name": name,
        "notification_template_id": "843ee9c3-a8fb-4846-afa9-977bec578649"
        if name == "Task Resumed"
        else "11111111-2222-4333-8444-555555555555",
        "user_username": "ada",
        "labels": {"workspace": f"w-{workspace[:8]}", "task": "write-tests"},
        "targets": [workspace],
    }
    return json.dumps({"_version": "1.1", "msg_id": message_id, "payload": payload}).encode()


def units(letters: Sequence[Letter]) -> Counter[str]:
    """Return the units of each workspace."""
    return Counter(letter.workspace for letter in letters if letter.workspace)


@dataclass
class Sender:
    """Posts letters from several threads, each until it is answered 2xx.

    Attributes:
        port: of the receiver.
        per_second: letters that are begun in a second.
        tally: called with each fault that the network adds.
        statuses: how often each status was answered; 0 for a connection without an answer.
        slowest: the longest wait for an answer, in seconds.
        hung: posts without any answer within the time that one may take.
    """

    port: int
    rng: random.Random
    per_second: float
    tally: Callable[[str], object]
    letters: list[Letter] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    hung: int = 0
    faulty: bool = True

    def __post_init__(self) -> None:
        self._waiting: deque[tuple[float, Letter]] = deque()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._due = time.monotonic()
        self._under_way = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(_THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def add(self, letters: Sequence[Letter]) -> None:
        with self._lock:
            self.letters += letters
            self._waiting += [(0.0, letter) for letter in letters]

    @property
    def left(self) -> int:
        with self._lock:
            return len(self._waiting) + self._under_way

    def hurry(self) -> None:
        """Send the rest without pauses and without further faults."""
        self.per_second, self.faulty = 1000.0, False

    def _run(self) -> None:
        while not self._stopped.is_set():
            letter, plan = self._next()
            if letter is None:
                self._stopped.wait(0.02)
                continue
            taken = self._send(letter, plan)
            with self._lock:
                self._under_way -= 1
                if not taken:
                    # Coder waits five minutes; only the order in which things happen matters here.
                    self._waiting.append((time.monotonic() + 0.3, letter))

    def _next(self) -> tuple[Letter | None, str]:
        with self._lock:
            now = time.monotonic()
            if now < self._due or not self._waiting:
                return None, ""
            for _ in range(len(self._waiting)):
                at, letter = self._waiting.popleft()
                if at <= now:
                    break
                self._waiting.append((at, letter))
            else:
                return None, ""
            self._due = max(now - 0.1, self._due) + 1 / self.per_second
            self._under_way += 1
            return letter, self._draw()

    def _draw(self) -> str:
        luck = self.rng.random()
        for plan, share in _ON_THE_WAY.items():
            if luck < share:
                return plan if self.faulty else ""
            luck -= share
        return ""

    def _send(self, letter: Letter, plan: str) -> bool:
        if plan:
            self.tally(plan)
        if plan == "client: twice at once":
            other = threading.Thread(target=self._post, args=(letter, ""))
            other.start()
            taken = self._post(letter, "")
            other.join()
            return taken
        return self._post(letter, plan)

    def _post(self, letter: Letter, plan: str) -> bool:
        letter.tries += 1
        began = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as wire:
                status = self._exchange(wire, letter, plan)
        except TimeoutError:
            with self._lock:
                self.hung += 1
            status = 0
        except OSError:
            status = 0
        took = time.monotonic() - began
        with self._lock:
            self.statuses[status] += not plan
            self.slowest = max(self.slowest, took)
            if 200 <= status < 300 and not letter.taken_at:
                letter.taken_at = time.monotonic()
        return 200 <= status < 300

    def _exchange(self, wire: socket.socket, letter: Letter, plan: str) -> int:
        head = (
            f"POST {letter.path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {_AUTHORIZATION}\r\n"
            f"Content-Type: application/json\r\nX-Message-Id: {letter.id}\r\nConnection: close\r\n"
            f"Content-Length: {len(letter.body)}\r\n\r\n"
        )
        sent = letter.body[: len(letter.body) // 2] if plan == "client: body cut" else letter.body
        wire.sendall(head.encode() + sent)
        if plan in ("client: answer lost", "client: body cut"):
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", int(plan.endswith("cut")), 0))
            return 0
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while b"\r\n" not in answer and (more := wire.recv(4096)):
                answer += more
        words = answer.split(maxsplit=2)
        return int(words[1]) if len(words) > 1 else 0
