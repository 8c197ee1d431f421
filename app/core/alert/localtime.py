"""Conversion of local clock times to moments: a time may occur twice, or not at all, when clocks change.

Aware datetimes in the same zone compare by clock time, not by moment, so all results are in UTC.
"""

from datetime import UTC, datetime, timedelta, tzinfo


def first_moment(wall: datetime, zone: tzinfo) -> datetime:
    """Return the first moment (UTC) at which clocks in the zone show this time, or a later one if they skip it."""
    return min(_moments(wall, zone))


def last_moment(wall: datetime, zone: tzinfo) -> datetime:
    """Return the last moment (UTC) at which clocks in the zone reach this time, or pass it if they skip it."""
    return max(_moments(wall, zone))


def _moments(wall: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return both moments of a time that occurs twice; otherwise the same moment twice."""
    before, after = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if before <= after:
        return before, after
    # Skipped (PEP 495): the two readings lie on either side of the change, so bisect the time between them.
    low, high = after, before
    later = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == later:
            high = middle
        else:
            low = middle
    return high, high
