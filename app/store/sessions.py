"""Server-side sessions, valid only while they are stored, so that a logout invalidates every copy of the cookie."""

import hashlib

import redis

from app.store import keys
from app.store.server.commands import commands


class Sessions:
    """The sessions of all processes, by the hash of their id, so that the stored data does not allow logging in."""

    def __init__(self, connection: "redis.Redis") -> None:
        self.redis = commands(connection)

    def begin(self, session_id: str, name: str, seconds: int) -> None:
        """Store a session for the given number of seconds.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it. This applies to the other methods, too.
        """
        self.redis.set(_key(session_id), name, ex=seconds)

    def name(self, session_id: str) -> str | None:
        """Return the name of a session's user; None if the session has ended."""
        found = self.redis.get(_key(session_id))
        return None if found is None else found.decode()

    def end(self, session_id: str) -> None:
        self.redis.delete(_key(session_id))


def _key(session_id: str) -> str:
    return keys.session(hashlib.sha256(session_id.encode("utf-8", "surrogateescape")).hexdigest())
