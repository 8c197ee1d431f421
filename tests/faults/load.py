"""A steady load of deliveries, and an independent account of the answers and of the results in Redis."""

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
    """An answer to a POST; status 0 if there was none.

    Attributes:
        again: whether it says when to retry.
    """

    at: float
    status: int
    again: bool


@dataclass(frozen=True, slots=True)
class Account:
    """What Redis holds of the deliveries that were answered 2xx.

    Attributes:
        answered: the number of these deliveries, each for a different workspace and so one usage record.
        lost: the number without a verdict.
        usages: the number of usage records.
    """

    answered: int
    lost: int
    usages: int

    @property
    def doubled(self) -> int:
        return self.usages - (self.answered - self.lost)


class Load:
    """Posts from several threads. Each delivery is repeated until it is answered 2xx, and never after that.

    Args:
        urls: receivers, used in turn.
        threads: the number of concurrent posts.
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
        """Let each thread repeat its last delivery until it is answered 2xx, and end."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def first_taken_since(self, moment: float) -> float:
        """Return the time of the first 2xx after a moment; 0 if there is none yet."""
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
    """Compare Redis with the answers, using plain commands, so that no code of the meter is trusted."""
    with server.pipeline(transaction=False) as pipe:
        for message_id in load.taken:
            pipe.exists(f"awb:v1:prod:delivery:{message_id}")
        verdicts = pipe.execute()
    return Account(len(load.taken), verdicts.count(0), int(server.zcard("awb:v1:prod:records:awb")))


def unfinished(server: Any) -> int:
    """Return the number of deliveries that are waiting, being processed, or waiting for a retry."""
    with server.pipeline(transaction=False) as pipe:
        for waiting in ("awb-deliveries", "awb-deliveries.prod"):
            pipe.llen(f"rq:queue:{waiting}")
        pipe.llen("rq:queue:awb-deliveries:intermediate")
        for registry in ("wip", "scheduled", "failed"):
            pipe.zcard(f"rq:{registry}:awb-deliveries")
        return sum(pipe.execute())
