"""The parts of the meter that run, on whatever machine, as they report themselves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import redis

from app.core.text.compact import compact
from app.store import keys
from app.store.server.commands import commands

#: Seconds between two reports of a part, and after which one that no longer reports is forgotten.
REPORT_SECONDS: Final = 60
_FORGOTTEN_SECONDS: Final = 200


@dataclass(frozen=True, slots=True)
class Part:
    """One process.

    Attributes:
        name: for people, such as `web on meter-1 (4711)`.
        fingerprint: digests by setting (app/config/fingerprint.py).
    """

    name: str
    fingerprint: Mapping[str, str]


class Parts:
    """What is reported."""

    def __init__(self, connection: "redis.Redis") -> None:
        self.redis = commands(connection)

    def report(self, part: Part, now: float) -> None:
        """Store a report, in place of the part's last one.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it.
        """
        value = {"until": now + _FORGOTTEN_SECONDS, "fingerprint": dict(part.fingerprint)}
        self.redis.hset(keys.PARTS, part.name, compact(value))

    def withdraw(self, name: str) -> None:
        """Forget a part that ends.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it; it is forgotten in a while.
        """
        self.redis.hdel(keys.PARTS, name)

    def running(self, now: float) -> list[Part]:
        """Return the parts that have reported lately, and remove the others."""
        stored = {name.decode(): json.loads(text) for name, text in self.redis.hgetall(keys.PARTS).items()}
        gone = [name for name, value in stored.items() if value["until"] < now]
        if gone:
            self.redis.hdel(keys.PARTS, *gone)
        return [Part(name, value["fingerprint"]) for name, value in sorted(stored.items()) if name not in gone]
