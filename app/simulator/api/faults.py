"""Faults between a client and Coder: drawn from a seed, or requested by a test."""

import random
import threading
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """One way in which a request can fail."""

    #: The connection is reset before anything is sent.
    REFUSED = "refused"
    SERVER_ERROR = "server_error"
    RATE_LIMITED = "rate_limited"
    BROKEN_JSON = "broken_json"
    #: A proxy answers 200 with a page to log in to.
    LOGIN_PAGE = "login_page"
    #: The connection closes in the middle of the response.
    DROP_CONNECTION = "drop_connection"
    #: The response is correct, but late.
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class ApiFaults:
    """Shares of requests that fail, from 0 to 1; a request has at most one fault.

    Attributes:
        slow: share of late responses among requests without another fault; has no effect unless `slow_seconds` is set.
        slow_seconds: the delay.
        retry_after: the Retry-After of a 429, in seconds.
        error_status: the status of a server error; 502 to 504 simulate a proxy in front of Coder.
    """

    refused: float = 0.0
    server_error: float = 0.0
    rate_limited: float = 0.0
    broken_json: float = 0.0
    login_page: float = 0.0
    drop_connection: float = 0.0
    slow: float = 1.0
    slow_seconds: float = 0.0
    retry_after: int = 1
    error_status: int = 500


class FaultPlan:
    """Decides which fault each request has, in order of arrival."""

    def __init__(self, seed: int) -> None:
        self.faults = ApiFaults()
        self._rng = random.Random(seed)
        self._ordered: list[FaultKind] = []
        self._lock = threading.Lock()

    def fail_next(self, requests: int, kind: FaultKind) -> None:
        """Make the next requests fail in this way, before any faults are drawn at random."""
        with self._lock:
            self._ordered += [kind] * requests

    def draw(self) -> FaultKind | None:
        with self._lock:
            if self._ordered:
                return self._ordered.pop(0)
            luck, faults = self._rng.random(), self.faults
        for kind in FaultKind:
            share = float(getattr(faults, kind.value))
            if kind is FaultKind.SLOW and not faults.slow_seconds:
                break
            if luck < share:
                return kind
            if kind is not FaultKind.SLOW:
                luck -= share
        return None
