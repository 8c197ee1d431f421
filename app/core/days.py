"""UTC days and months as dates, and the moments at which they start."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta


def months(first: date, last: date) -> Iterator[date]:
    """Yield the first day of each month, last month first."""
    for number in range(last.year * 12 + last.month - 1, first.year * 12 + first.month - 2, -1):
        yield date(number // 12, number % 12 + 1, 1)


def end_of_month(month: date) -> date:
    """Return the last day of the month of a day."""
    return (month.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def days_between(first: date, last: date) -> Iterator[date]:
    """Yield days, last day first."""
    return (last - timedelta(days=n) for n in range((last - first).days + 1))


def day_of(at: float) -> date:
    """Return the UTC day of a moment, in seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).date()


def start_of(day: date) -> float:
    """Return the moment at which a UTC day starts, in seconds since the epoch."""
    return datetime.combine(day, time(), UTC).timestamp()
