"""Short-term data about reaching people: Slack conversations, rate limits and failing methods."""

import math
from typing import Final

import redis

from app.store import keys
from app.store.server.commands import commands

_KNOWN_SECONDS: Final = 86_400
_UNKNOWN_SECONDS: Final = 3_600
_SUMMING_SECONDS: Final = 86_400


class People:
    """The ways to reach people in one deployment. People are identified by aliases."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis = commands(connection)
        self.deployment = deployment

    def conversation(self, alias: str) -> str | None:
        """Return the id of a Slack conversation; empty if Slack does not know the person, None if it is not cached."""
        found = self.redis.get(keys.relay_slack(self.deployment, alias))
        return None if found is None else found.decode()

    def keep_conversation(self, alias: str, conversation: str | None) -> None:
        """Store an id for a day, or for an hour that there is none, because people may join."""
        seconds = _KNOWN_SECONDS if conversation else _UNKNOWN_SECONDS
        self.redis.set(keys.relay_slack(self.deployment, alias), conversation or "", ex=seconds)

    def forget_conversation(self, alias: str) -> int:
        return self.redis.delete(keys.relay_slack(self.deployment, alias))

    def note_sent(self, lane: str, seconds: int, now: float) -> None:
        """Count a message; the count expires `seconds` after the first one."""
        key = keys.relay_sent(self.deployment, lane)
        number, until = self._sent(key)
        if now >= until:
            number, until = 0, now + seconds
        self.redis.set(key, f"{number + 1} {until:.3f}", ex=seconds)

    def wait_for_limit(self, lane: str, most: int, now: float) -> float:
        """Return the seconds until a person may get the next message; messages held until then are summarized."""
        number, until = self._sent(keys.relay_sent(self.deployment, lane))
        if not most or number < most or now >= until:
            return 0.0
        self.redis.set(keys.relay_summing(self.deployment, lane), "1", ex=_SUMMING_SECONDS)
        return max(1.0, until - now)

    def _sent(self, key: str) -> tuple[int, float]:
        number, _, until = (self.redis.get(key) or b"0 0").partition(b" ")
        return int(number), float(until)

    def is_summing(self, lane: str) -> bool:
        return self.redis.exists(keys.relay_summing(self.deployment, lane)) == 1

    def end_summing(self, lane: str) -> None:
        self.redis.delete(keys.relay_summing(self.deployment, lane))

    def wait_for_way(self, way: str, now: float) -> float:
        """Return the seconds for which to avoid a method; 0 if it is not known to fail."""
        until = self.redis.get(keys.relay_down(self.deployment, way))
        return max(0.0, float(until) - now) if until else 0.0

    def note_down(self, way: str, seconds: float, now: float) -> None:
        self.redis.set(keys.relay_down(self.deployment, way), f"{now + seconds:.3f}", ex=max(1, math.ceil(seconds)))
