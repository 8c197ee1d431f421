"""Sorted sets by time, read in pages, newest first. The position of the last row is the cursor for the next page."""

import math
from dataclasses import dataclass
from typing import Final, Self

import redis

from app.store.server.commands import commands

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Place:
    """A position between two rows: after everything newer, and after `member` among rows of the same time.

    Adding members does not shift it, and the member itself may have been removed.

    Attributes:
        at: score, in seconds since the epoch.
        member: the member, or a prefix that is unique among the members of the same time.
    """

    at: float
    member: str

    def __str__(self) -> str:
        return f"{self.at!r}~{self.member}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text that `str` returned.

        Raises:
            ValueError: the text is something else.
        """
        score, _, member = text.partition("~")
        # Python accepts more number formats than Redis.
        if not member or not math.isfinite(float(score)) or repr(float(score)) != score:
            raise ValueError("not a place in a list")
        return cls(float(score), member)


def behind(
    connection: "redis.Redis",
    key: str,
    place: Place | None,
    most: int,
    *,
    low: float = -math.inf,
    below: float = math.inf,
) -> list[tuple[str, float]]:
    """Return pairs of (member, score), newest first; members of the same time are in descending order.

    Args:
        connection: Redis.
        key: the sorted set.
        place: where to continue; None for the beginning.
        most: the maximum number of pairs.
        low: the lowest score, included.
        below: the highest score, excluded.
    """
    store = commands(connection)
    top = repr(place.at) if place and place.at < below else f"({below!r}"
    after = place.member.encode() if place else b""
    rows: list[tuple[str, float]] = []
    start = 0
    while len(rows) < most:
        chunk = min(most - len(rows) + 1, _CHUNK)
        part = store.zrange(key, top, repr(low), desc=True, byscore=True, offset=start, num=chunk, withscores=True)
        rows += [(member.decode(), at) for member, at in part if not place or at < place.at or member < after]
        start += len(part)
        if len(part) < chunk:
            break
    return rows[:most]
