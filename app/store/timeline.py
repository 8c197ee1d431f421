"""Sorted sets by time, read page by page, the newest first. The place of the last row is where the next page begins."""

import math
from dataclasses import dataclass
from typing import Final, Self

import redis

from app.store.server.commands import commands

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two rows: behind everything newer, and behind `member` among the rows of its moment.

    Members that are added meanwhile shift nothing, and the member itself may be gone.

    Attributes:
        at: score, in seconds since the epoch.
        member: the member, or as much of it as tells it from all others of its moment.
    """

    at: float
    member: str

    def __str__(self) -> str:
        return f"{self.at!r}~{self.member}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises:
            ValueError: it is something else.
        """
        score, _, member = text.partition("~")
        # Python reads more as a number than Redis does.
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
    """Return at most that many (member, score), newest first; those of one moment in descending order.

    Args:
        connection: Redis.
        key: of the sorted set.
        place: where to continue; None for the beginning.
        most: how many.
        low: the lowest score that belongs to it.
        below: the lowest score that is too high.
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
