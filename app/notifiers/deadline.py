"""A bound on the whole of an attempt.

The timeouts of sockets bound each wait alone: a server that sends a byte now and then holds us as long as it likes,
and looking up a name has no timeout at all.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Run `work` in a thread of its own and wait at most `seconds` for it.

    Raises:
        TimeoutError: it has not ended; it continues in the background until its own timeouts, so it may still succeed.
        Exception: what `work` raised.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            outcome.set_exception(error)

    Thread(target=run, name="notifier", daemon=True).start()
    return outcome.result(seconds)
