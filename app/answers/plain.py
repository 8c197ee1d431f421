"""Moments, days and periods as JSON has them."""

from datetime import UTC, date, datetime
from typing import Any

from app.core.limit.period import Period


def iso_day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def moment(at: datetime | float | None) -> str | None:
    """Write a moment as ISO 8601 in UTC, of seconds since the epoch as well."""
    if at is None:
        return None
    known = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return known.astimezone(UTC).isoformat().replace("+00:00", "Z")


def period_value(period: Period) -> dict[str, Any]:
    return {"start": moment(period.starts_at), "end": moment(period.ends_at)}
