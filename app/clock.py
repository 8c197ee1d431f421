"""The one reader of time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def at(seconds: float) -> datetime:
    """Return a moment that was stored as seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def now() -> datetime:
    """Return the present moment in UTC."""
    return _Reader.read()


@contextmanager
def reading(read: Callable[[], datetime]) -> Iterator[None]:
    """Let `now` return what a function says, in this process: a demonstration plays months that have passed."""
    before, _Reader.read = _Reader.read, read
    try:
        yield
    finally:
        _Reader.read = before


def _present() -> datetime:
    return datetime.now(UTC)


class _Reader:
    read: Callable[[], datetime] = _present
