"""Isolated steps: an error in one deployment, meter or alert does not stop the others, and is reported."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

import redis
import structlog
from rq.timeouts import BaseTimeoutException

from app import clock
from app.store.server.connection import unavailable
from app.store.store import Store

_T = TypeVar("_T")
log = structlog.get_logger(__name__)
#: How long a failure that is over is shown.
SHOWN: Final = timedelta(days=1)


class SweepSteps:
    """Runs the steps of one deployment's sweep, and stores the last failure of each."""

    def __init__(self, store: Store) -> None:
        self.steps = store.steps
        self.failures = self.steps.failures()
        self._performed: set[str] = set()

    def perform(self, name: str, do: Callable[..., object], *args: Any) -> None:
        """Run a step; an exception is logged and stored for `awb doctor`.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable, so every other step would fail, too.
            rq.timeouts.BaseTimeoutException: the time of the job is up. It is stored as this step's failure.
        """
        self._performed.add(name)
        try:
            do(*args)
        except BaseTimeoutException as error:
            self._failed(name, error)
            raise
        except Exception as error:
            if is_unavailable(error):
                raise
            self._failed(name, error)
        else:
            if name in self.failures and self.failures[name].over_at is None:
                self.steps.passed(self.failures[name], clock.now())

    def forget(self) -> None:
        """Remove failures that have been over for long, and those of steps that no longer exist."""
        before = clock.now() - SHOWN
        over = [name for name, one in self.failures.items() if one.over_at is not None and one.over_at < before]
        self.steps.forget(*over, *(self.failures.keys() - self._performed))

    def _failed(self, name: str, error: Exception) -> None:
        what = describe(error)
        log.error("sweep step failed", deployment=self.steps.deployment, step=name, error=what)
        self.steps.failed(name, what, clock.now())


def each(items: Mapping[str, _T], do: Callable[[_T], object]) -> None:
    """Call a function for every item, even if it fails for others.

    Raises:
        ExceptionGroup: it failed for some items; raised after the last one.
        redis.exceptions.RedisError: Redis is unavailable; the remaining items were not tried.
        rq.timeouts.BaseTimeoutException: the time of the job is up; the remaining items were not tried.
    """
    errors: list[Exception] = []
    for name, item in items.items():
        try:
            do(item)
        except BaseTimeoutException:
            raise
        except Exception as error:
            if is_unavailable(error):
                raise
            log.error("one item failed, the others go on", item=name, error=describe(error))
            errors.append(error)
    if errors:
        raise ExceptionGroup("some items failed", errors)


def is_unavailable(error: Exception) -> bool:
    """Return whether Redis cannot be reached or accepts no writes, rather than refusing only this command."""
    return isinstance(error, redis.exceptions.RedisError) and unavailable(error) != "failing"


def describe(error: BaseException) -> str:
    """Return an error's type and its place in our code, without its text, which may contain stored data."""
    if isinstance(error, ExceptionGroup):
        return f"{len(error.exceptions)} x {describe(error.exceptions[0])}"
    place, step = "", error.__traceback__
    while step:
        module = step.tb_frame.f_globals.get("__name__", "")
        if module.partition(".")[0] in ("app", "workers"):
            place = f" at {module}:{step.tb_lineno}"
        step = step.tb_next
    return f"{type(error).__name__}{place}"
