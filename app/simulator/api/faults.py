"""What goes wrong between a client and Coder: drawn from a seed, or ordered."""

import random
import threading
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """One way in which a request goes wrong."""

    #: The connection is reset before anything is answered.
    REFUSED = "refused"
    SERVER_ERROR = "server_error"
    RATE_LIMITED = "rate_limited"
    BROKEN_JSON = "broken_json"
    #: The connection ends in the middle of the answer.
    DROP_CONNECTION = "drop_connection"
    #: Answered rightly, but late.
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class ApiFaults:
    """Shares of requests that go wrong, from 0 to 1; a request meets at most one fault.

    Attributes:
        slow: late answers, of those that nothing else befalls; only with `slow_seconds`.
        slow_seconds: how late they are.
        retry_after: what a 429 asks for, in seconds.
        error_status: of a server error; 502 to 504 are what a proxy before Coder answers.
    """

    refused: float = 0.0
    server_error: float = 0.0
    rate_limited: float = 0.0
    broken_json: float = 0.0
    drop_connection: float = 0.0
    slow: float = 1.0
    slow_seconds: float = 0.0
    retry_after: int = 1
    error_status: int = 500


class FaultPlan:
    """Decides for each request, in the order of their arrival, which fault it meets."""

    def __init__(self, seed: int) -> None:
        self.faults = ApiFaults()
        self._rng = random.Random(seed)
        self._ordered: list[FaultKind] = []
        self._lock = threading.Lock()

    def fail_next(self, requests: int, kind: FaultKind) -> None:
        """Order a fault for each of the next requests, before any other is drawn."""
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
