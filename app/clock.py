"""The one reader of time."""

from datetime import UTC, datetime


def at(seconds: float) -> datetime:
    """Return a moment that was stored as seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)
