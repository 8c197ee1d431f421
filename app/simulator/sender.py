"""Posts messages as Coder's dispatcher does: in concurrent batches, at least once.

See coderd/notifications/notifier.go and dispatch/webhook.go: up to 20 concurrent POSTs per tick; any status of 300 or
above and any transport error is retried later, up to five attempts; the same `msg_id` is sent again if a lease is lost.
The response's body and Retry-After are ignored.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import requests

from app.simulator.notifications import Message

_REFUSED_URL: Final = "http://127.0.0.1:9/"
_NON_2XX: Final = 300


@dataclass(frozen=True, slots=True)
class Pace:
    """Timing in seconds. Coder's defaults are a tick of 15, a retry after 300 and a timeout of 60."""

    batch: int = 20
    tick: float = 0.02
    retry: float = 0.2
    attempts: int = 5
    timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of POSTs that fail on the way, from 0 to 1. From the fourth attempt on, none do.

    Attributes:
        refused: the connection is refused.
        unanswered: the receiver gets the message, but its response is lost.
        lease_lost: the receiver answers, but the message is sent again anyway.
    """

    refused: float = 0.0
    unanswered: float = 0.0
    lease_lost: float = 0.0


@dataclass(slots=True)
class Report:
    """The result of a dispatch.

    Attributes:
        statuses: the number of responses with each HTTP status; 0 stands for no response.
        given_up: messages that failed in every attempt and that Coder then drops.
    """

    posts: int = 0
    retries: int = 0
    repeated: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    delivered: list[Message] = field(default_factory=list)
    given_up: list[Message] = field(default_factory=list)


@dataclass(slots=True)
class _Leased:
    message: Message
    due: float = 0.0
    attempts: int = 0
    delivered: bool = False


class Sender:
    """A seeded dispatcher for one webhook URL; userinfo in the URL is sent as Basic authentication."""

    def __init__(self, url: str, seed: int, pace: Pace | None = None) -> None:
        self._url = url
        self._rng = random.Random(seed)
        self._pace = pace or Pace()
        self._local = threading.local()

    def dispatch(self, messages: Iterable[Message], faults: Faults | None = None) -> Report:
        """Send all messages, and return once each is delivered or given up."""
        report, faults = Report(), faults or Faults()
        waiting = [_Leased(message) for message in messages]
        with ThreadPoolExecutor(self._pace.batch) as pool:
            while waiting:
                now = time.monotonic()
                batch = [leased for leased in waiting if leased.due <= now][: self._pace.batch]
                waiting = [leased for leased in waiting if leased not in batch]
                self._rng.shuffle(batch)
                plans = [self._plan(leased, faults) for leased in batch]
                for leased, plan, status in zip(batch, plans, pool.map(self._post, batch, plans), strict=True):
                    if self._settle(leased, plan, status, report):
                        waiting.append(leased)
                time.sleep(self._pace.tick)
        return report

    def _plan(self, leased: _Leased, faults: Faults) -> str:
        """Choose the fault here rather than in the threads, so that it depends only on the seed."""
        luck = self._rng.random()
        if leased.attempts > 2:  # noqa: PLR2004 - the network is back
            return ""
        for plan, share in (
            ("refused", faults.refused),
            ("unanswered", faults.unanswered),
            ("lease_lost", faults.lease_lost),
        ):
            if luck < share:
                return plan
            luck -= share
        return ""

    def _post(self, leased: _Leased, plan: str) -> int:
        url = _REFUSED_URL if plan == "refused" else self._url
        headers = {"Content-Type": "application/json", "X-Message-Id": leased.message.id}
        try:
            answer = self._session().post(url, leased.message.body, headers=headers, timeout=self._pace.timeout)
        except requests.RequestException:
            return 0
        return 0 if plan == "unanswered" else answer.status_code

    def _settle(self, leased: _Leased, plan: str, status: int, report: Report) -> bool:
        """Record one attempt, and return whether the message must be sent again."""
        leased.attempts += 1
        report.posts += 1
        report.statuses[status] += 1
        failed = not 0 < status < _NON_2XX
        leased.delivered = leased.delivered or not failed or plan == "unanswered"
        again = failed and leased.attempts < self._pace.attempts
        repeated = not failed and plan == "lease_lost" and leased.attempts < self._pace.attempts
        report.retries += again
        report.repeated += repeated
        leased.due = time.monotonic() + self._pace.retry
        if not (again or repeated):
            (report.delivered if leased.delivered else report.given_up).append(leased.message)
        return again or repeated

    def _session(self) -> requests.Session:
        """Return this thread's session, which, like Go's client, keeps connections alive and sends few headers."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.max_redirects = 10
            session.headers.clear()
            session.headers.update({"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"})
            self._local.session = session
        return session
