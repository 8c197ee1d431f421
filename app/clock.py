"""The only module that reads the clock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def at(seconds: float) -> datetime:
    """Return the moment for seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def now() -> datetime:
    """Return the current time in UTC."""
    return _Reader.read()


@contextmanager
def reading(read: Callable[[], datetime]) -> Iterator[None]:
    """Make `now` return a function's result in this process, for the demo, which plays past months."""
    before, _Reader.read = _Reader.read, read
    try:
        yield
    finally:
        _Reader.read = before


def _present() -> datetime:
    return datetime.now(UTC)


class _Reader:
    read: Callable[[], datetime] = _present
