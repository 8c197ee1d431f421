"""Refused posts, counted in this process and written to Redis every few seconds, so that a refusal costs no round trip.

A process that is killed loses the counts of the last seconds. They are only hints, and never include a delivery.
"""

import atexit
import threading
from typing import Final

import redis
import structlog

from app import clock
from app.core.alert.refusal import Refusal
from app.store.receive.refusals import RefusalCounters, Refused
from app.store.server.connection import unavailable

log = structlog.get_logger(__name__)
EXTENSION: Final = "awb-refusals"
#: The interval in which there is at most one write and one log line, whatever is posted.
FLUSH_SECONDS: Final = 10.0


class Refusals:
    """Counts refusals, with at most one unwritten entry for each reason."""

    def __init__(self, connection: "redis.Redis") -> None:
        self._counters = RefusalCounters(connection)
        self._lock = threading.Lock()
        self._waiting: dict[Refusal, Refused] = {}
        self._client = ""
        self._some = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, reason: Refusal, client: str = "") -> None:
        """Count one refusal.

        Args:
            reason: why it was refused.
            client: the address as returned by `client_of`, for the log; empty if unknown.
        """
        at = clock.now().timestamp()
        with self._lock:
            self._add(reason, Refused(1, at, at))
            self._client = client or self._client
        self._some.set()

    def flush(self) -> None:
        """Write the counts; if Redis is unavailable, they are kept."""
        with self._lock:
            self._some.clear()
            taken, self._waiting = self._waiting, {}
            client, self._client = self._client, ""
        if not taken:
            return
        counts = {reason.value: refused.count for reason, refused in taken.items()}
        log.warning("posts refused", counts=counts, last_client=client or "unknown")
        try:
            self._counters.add(taken)
        except (redis.exceptions.RedisError, OSError) as error:
            log.warning("refused posts not counted yet", why=unavailable(error), error=type(error).__name__)
            with self._lock:
                for reason, refused in taken.items():
                    self._add(reason, refused)
            self._some.set()

    def start(self) -> None:
        """Write periodically in a thread, until `stop` or the end of the process."""
        atexit.register(self.stop)
        self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and write the remaining counts."""
        self._end.set()
        self._some.set()
        if self._thread:
            self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._end.is_set():
            self._some.wait()
            self.flush()
            self._end.wait(FLUSH_SECONDS)

    def _add(self, reason: Refusal, more: Refused) -> None:
        known = self._waiting.get(reason, more)
        count = more.count + (known.count if known is not more else 0)
        self._waiting[reason] = Refused(count, min(known.first, more.first), max(known.last, more.last))
