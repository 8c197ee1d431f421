"""Logins that last: a session is valid as long as it is known here, so that a logout ends every copy of its cookie."""

import hashlib

import redis

from app.store import keys
from app.store.server.commands import commands


class Sessions:
    """The sessions of all processes, by the hash of their id: what Redis stores lets nobody in."""

    def __init__(self, connection: "redis.Redis") -> None:
        self.redis = commands(connection)

    def begin(self, session_id: str, name: str, seconds: int) -> None:
        """Keep a session for so many seconds.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it; the same of the other methods.
        """
        self.redis.set(_key(session_id), name, ex=seconds)

    def name(self, session_id: str) -> str | None:
        """Return whose session this is, None where it has ended."""
        found = self.redis.get(_key(session_id))
        return None if found is None else found.decode()

    def end(self, session_id: str) -> None:
        self.redis.delete(_key(session_id))


def _key(session_id: str) -> str:
    return keys.session(hashlib.sha256(session_id.encode("utf-8", "surrogateescape")).hexdigest())
