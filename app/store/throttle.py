"""Throttled logins, across all processes: each failed attempt makes the next one wait longer."""

from datetime import datetime
from typing import Any, Final

import redis

from app.store import keys
from app.store.server.commands import commands
from app.store.server.connection import script

#: Failures of one client before it must wait 1 s, then 2 s, 4 s, … up to the maximum.
FREE: Final = 5
LONGEST_SECONDS: Final = 900
#: The same for all clients together. The maximum is short: it slows guesses from many addresses to one a minute, but
#: must not lock an admin out for longer.
FREE_IN_ALL: Final = 100
LONGEST_IN_ALL_SECONDS: Final = 60
_KEPT_SECONDS: Final = 3600
_EVERYBODY: Final = "*"


class Throttle:
    """Counters of failed logins, in Redis."""

    def __init__(self, connection: "redis.Redis") -> None:
        self.redis = commands(connection)
        self._script = script(connection, "throttle")

    def begin(self, client: str, now: datetime) -> float:
        """Begin an attempt, which counts as failed until `forgive` or `reset`.

        Returns:
            The seconds to wait; if it is more than 0, the attempt is refused and not counted.
        """
        limits = [FREE, LONGEST_SECONDS, FREE_IN_ALL, LONGEST_IN_ALL_SECONDS]
        return float(self._call("begin", client, now.timestamp(), _KEPT_SECONDS, *limits))

    def forgive(self, client: str) -> None:
        """Take back the attempt without a result; earlier failures stay."""
        self._call("forgive", client)

    def reset(self, client: str) -> None:
        """Record success, and forget the client's failures."""
        self.forgive(client)
        self.redis.delete(keys.throttle(client))

    def _call(self, *args: Any) -> Any:
        verb, client, *more = args
        return self._script(keys=[keys.throttle(client), keys.throttle(_EVERYBODY)], args=[verb, *more])
