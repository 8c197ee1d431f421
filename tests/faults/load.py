"""A steady load of deliveries, and an independent account of what was answered and what became of it."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import requests

from tests.faults.system import session
from tests.web.make import basic, notification

_PAUSE = 0.02
_PAUSE_AFTER_REFUSAL = 0.1
#: Seconds; Coder waits longer.
_PATIENCE = 20
HEADERS = {**basic(), "Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a POST; status 0 for none.

    Attributes:
        again: it says when to try again.
    """

    at: float
    status: int
    again: bool


@dataclass(frozen=True, slots=True)
class Account:
    """What a store holds of the deliveries that were answered 2xx.

    Attributes:
        answered: how many there were, each of a workspace of its own, and so one usage.
        lost: how many of them have no verdict.
        usages: how many usage records there are.
    """

    answered: int
    lost: int
    usages: int

    @property
    def doubled(self) -> int:
        return self.usages - (self.answered - self.lost)


class Load:
    """Posts from several threads, each delivery until it is answered 2xx; none is posted again after that.

    Args:
        urls: receivers, which take turns.
        threads: posts at the same time.
    """

    def __init__(self, urls: Sequence[str], threads: int = 4) -> None:
        self.answers: list[Answer] = []
        self.taken: list[str] = []
        self._urls = itertools.cycle(urls)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Let each thread bring its last delivery to a 2xx, and end."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def first_taken_since(self, moment: float) -> float:
        """Return when the first 2xx since then came; 0 while there is none."""
        return min((one.at for one in list(self.answers) if one.at > moment and one.status in (200, 202)), default=0.0)

    def last_taken_before(self, moment: float) -> float:
        return max(one.at for one in list(self.answers) if one.at <= moment and one.status in (200, 202))

    def statuses(self) -> Counter[int]:
        return Counter(one.status for one in self.answers)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                number = next(self._numbers)
            self._bring(f"load-{number}", notification(f"load-{number}", number))
            time.sleep(_PAUSE)

    def _bring(self, message_id: str, body: bytes) -> None:
        while True:
            with self._lock:
                url = next(self._urls)
            answer = _post(url, body)
            self.answers.append(answer)
            if answer.status in (200, 202):
                self.taken.append(message_id)
                return
            time.sleep(_PAUSE_AFTER_REFUSAL)


def _post(url: str, body: bytes) -> Answer:
    try:
        got = session().post(f"{url}/v1/webhook", data=body, headers=HEADERS, timeout=_PATIENCE)
    except requests.RequestException:
        return Answer(time.monotonic(), 0, again=False)
    return Answer(time.monotonic(), got.status_code, "Retry-After" in got.headers)


def account(server: Any, load: Load) -> Account:
    """Hold a server against what was answered; by plain commands, so that no code of the meter's is trusted."""
    with server.pipeline(transaction=False) as pipe:
        for message_id in load.taken:
            pipe.exists(f"awb:v1:prod:delivery:{message_id}")
        verdicts = pipe.execute()
    return Account(len(load.taken), verdicts.count(0), int(server.zcard("awb:v1:prod:records:awb")))


def unfinished(server: Any) -> int:
    """Return how many deliveries wait, are in work, or wait to be tried again."""
    with server.pipeline(transaction=False) as pipe:
        for waiting in ("awb-deliveries", "awb-deliveries.prod"):
            pipe.llen(f"rq:queue:{waiting}")
        pipe.llen("rq:queue:awb-deliveries:intermediate")
        for registry in ("wip", "scheduled", "failed"):
            pipe.zcard(f"rq:{registry}:awb-deliveries")
        return sum(pipe.execute())
