"""Counters of posts that the webhook refused: one small hash for the whole service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from app.core.alert.refusal import RUN_PAUSE, Refusal, Run
from app.store import keys
from app.store.server.commands import commands
from app.store.server.connection import script


@dataclass(frozen=True, slots=True)
class Refused:
    """Refusals with one reason that have not been written yet; times in epoch seconds."""

    count: int
    first: float
    last: float


class RefusalCounters:
    """The counters in Redis. They are not by deployment, because anybody without the secret can make up names."""

    def __init__(self, connection: "redis.Redis") -> None:
        self.redis = commands(connection)
        self._script = script(connection, "refuse")

    def add(self, refused: Mapping[Refusal, Refused]) -> None:
        """Add counts in one step.

        Raises:
            redis.exceptions.RedisError: it is unknown whether they were added; adding them again may count some twice.
        """
        args: list[Any] = [RUN_PAUSE.total_seconds()]
        for reason, more in refused.items():
            args += [reason.value, more.count, repr(more.first), repr(more.last)]
        self._script(keys=[keys.REFUSED], args=args)

    def runs(self) -> dict[Refusal, Run]:
        """Return the refusals by reason; reasons that never occurred are missing."""
        stored = {name.decode(): value for name, value in self.redis.hgetall(keys.REFUSED).items()}
        found = {}
        for reason in Refusal:
            fields = [f"{reason.value}:{field}" for field in ("total", "count", "since", "last")]
            if all(field in stored for field in fields):
                total, count, since, last = (float(stored[field]) for field in fields)
                found[reason] = Run(int(total), int(count), _moment(since), _moment(last))
        return found


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
