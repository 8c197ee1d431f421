"""Throttled logins, over all processes: who guesses passwords waits longer each time."""

from datetime import datetime
from typing import Any, Final

import redis

from app.store import keys
from app.store.server.commands import commands
from app.store.server.connection import script

#: Failures of one client before it waits, then 1 s, 2 s, 4 s, … up to the longest.
FREE: Final = 5
LONGEST_SECONDS: Final = 900
#: The same for all clients together. The delay stays short: it slows a guess from many addresses to one a minute,
#: and strangers must not keep an admin out for longer.
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
        """Take an attempt; it counts as failed until something else is said.

        Returns:
            The seconds to wait; more than 0 when the attempt is refused, which does not count.
        """
        limits = [FREE, LONGEST_SECONDS, FREE_IN_ALL, LONGEST_IN_ALL_SECONDS]
        return float(self._call("begin", client, now.timestamp(), _KEPT_SECONDS, *limits))

    def forgive(self, client: str) -> None:
        """Say that the attempt was none; the earlier failures stay."""
        self._call("forgive", client)

    def reset(self, client: str) -> None:
        """Say that the attempt succeeded, and forget the client's failures."""
        self.forgive(client)
        self.redis.delete(keys.throttle(client))

    def _call(self, *args: Any) -> Any:
        verb, client, *more = args
        return self._script(keys=[keys.throttle(client), keys.throttle(_EVERYBODY)], args=[verb, *more])
