"""A part tells the others which settings it has, as digests, so that `awb doctor` can compare them."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

import redis

from app import clock
from app.config.fingerprint import fingerprint
from app.config.load import Config
from app.store.parts import REPORT_SECONDS, Part, Parts

#: Seconds before the first report: a command that ends at once need not agree with anybody.
_FIRST_SECONDS: Final = 10.0
#: Seconds to wait for a report in progress.
_LONGEST_REPORT: Final = 2.0


def name_of(role: str) -> str:
    """Return how this process is named, such as `web on meter-1 (4711)`."""
    return f"{role} on {socket.gethostname().split('.')[0]} ({os.getpid()})"


@contextlib.contextmanager
def reporting(connection: "redis.Redis", in_force: Callable[[], Config], role: str) -> Iterator[None]:
    """Report this part while the block runs; an absence of Redis is waited out.

    Args:
        connection: Redis.
        in_force: returns the configuration of the moment, which may be reloaded.
        role: of this process.
    """
    name, parts, ended = name_of(role), Parts(connection), threading.Event()

    def report() -> None:
        pause = _FIRST_SECONDS
        while not ended.wait(pause):
            pause = REPORT_SECONDS
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                parts.report(Part(name, fingerprint(in_force())), clock.now().timestamp())

    reporter = threading.Thread(target=report, name="report-part", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        ended.set()
        # A report in progress would name the part again after it was withdrawn.
        reporter.join(_LONGEST_REPORT)
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            parts.withdraw(name)
