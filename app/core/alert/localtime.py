"""What a clock on the wall shows, as moments: an hour may come twice, or not at all, where clocks change.

Aware datetimes of one zone compare by what the wall shows and not by the moment, so everything here is UTC.
"""

from datetime import UTC, datetime, timedelta, tzinfo


def first_moment(wall: datetime, zone: tzinfo) -> datetime:
    """Return the first moment (UTC) at which a clock in the zone shows this time or, where it skips it, a later one."""
    return min(_moments(wall, zone))


def last_moment(wall: datetime, zone: tzinfo) -> datetime:
    """Return the last moment (UTC) at which a clock in the zone comes to this time or, where it skips it, past it."""
    return max(_moments(wall, zone))


def _moments(wall: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return both moments of a time that comes twice; else the same one twice."""
    before, after = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if before <= after:
        return before, after
    # Skipped (PEP 495): one reading lies before the change of clocks, the other behind it. Halve the time between them.
    low, high = after, before
    later = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == later:
            high = middle
        else:
            low = middle
    return high, high
