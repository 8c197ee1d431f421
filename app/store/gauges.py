"""Values that only metrics need; the cost does not grow with the history."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import redis

from app.core.limit.drift import DriftPoint
from app.store import keys
from app.store.server.commands import commands

#: Longer than app/core/limit/drift.py looks back.
_DRIFT_WINDOW: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The outbox; times in epoch seconds.

    Attributes:
        oldest: when the oldest pending notification was decided; None if none is pending.
        next_attempt: when the next attempt is due.
    """

    pending: int
    oldest: float | None
    next_attempt: float | None


class Gauges:
    """Figures of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis = commands(connection)
        self.deployment = deployment

    def backlog(self) -> Backlog:
        pending, decided = keys.pending(self.deployment), keys.notifications(self.deployment)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.zrange(pending, 0, 0, withscores=True)
            # All pending notifications with the time of their decision.
            pipe.zinter({pending: 0, decided: 1}, withscores=True)
            pipe.zcard(pending)
            first, rows, number = pipe.execute()
        return Backlog(
            pending=int(number),
            oldest=min((float(score) for _member, score in rows), default=None),
            next_attempt=float(first[0][1]) if first else None,
        )

    def drift_edges(self, period_start: datetime) -> list[DriftPoint]:
        """Return the newest drift point of the period, and the first within the week before it; oldest first."""
        key = keys.drift(self.deployment)
        newest = self.redis.zrange(key, -1, -1, withscores=True)
        if not newest:
            return []
        start = max(newest[0][1] - _DRIFT_WINDOW.total_seconds(), period_start.timestamp())
        first = self.redis.zrange(key, start, "+inf", byscore=True, offset=0, num=1)
        # If no older point is in the period, the newest is the only one; both may be the same.
        return [_point(member) for member in dict.fromkeys([*first, newest[0][0]])]


def last_sweep(connection: "redis.Redis") -> float:
    """Return when the last sweep ended, in epoch seconds; 0 if there was none."""
    stored = commands(connection).hget(keys.MARKS, "last_sweep_at")
    return float(stored or 0)


def _point(member: bytes) -> DriftPoint:
    at, counted, actual, *_ = json.loads(member)
    return DriftPoint(datetime.fromtimestamp(at, UTC), counted, actual)
