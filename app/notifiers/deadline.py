"""A time limit for a whole attempt.

Socket timeouts limit only each single wait: a server that sends a byte now and then can delay us indefinitely, and name
resolution has no timeout at all.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Run `work` in a separate thread and wait at most `seconds` for it.

    Raises:
        TimeoutError: it has not finished. It continues in the background until its own timeouts, so it may still
            succeed.
        Exception: whatever `work` raised.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            outcome.set_exception(error)

    Thread(target=run, name="notifier", daemon=True).start()
    return outcome.result(seconds)
