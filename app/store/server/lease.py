"""A lease: one process holds it at a time, and writes from an earlier holder are refused.

A process may be suspended for longer than its lease lasts without noticing. So each holder has a token, a number that
increases with every new holder, and writes with an older token are refused (`Lease.fence`, used by
app/store/rq/enqueue.py).
After a failover to a replica that has not received the latest token, two processes may briefly have the same one.
They then write the same jobs, because a job's id is derived from its purpose.
"""

from dataclasses import dataclass
from typing import Final

import redis

from app.store import keys
from app.store.server.commands import commands
from app.store.server.connection import script

#: Seconds after which a holder loses the lease unless it renews it.
LEASE_SECONDS: Final = 10


class FencedError(Exception):
    """Another process holds the lease now; nothing was written."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A key, and the value that it must have for a write to be accepted."""

    key: str
    token: int

    def check(self, found: bytes | None) -> None:
        """Return if the key has the expected value.

        Raises:
            FencedError: it has another value.
        """
        if int(found or 0) != self.token:
            raise FencedError(self.key)


class Lease:
    """The exclusive right to schedule jobs.

    Args:
        connection: Redis.
        holder: identifies this process, also in messages.
    """

    def __init__(self, connection: "redis.Redis", holder: str) -> None:
        self.connection, self.holder = connection, holder
        self.fence: Fence | None = None

    def hold(self) -> bool:
        """Acquire or renew the lease; return whether this process holds it.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it.
        """
        take = script(self.connection, "lease")
        token = int(take(keys=[keys.LEASE, keys.LEASE_TOKEN], args=[self.holder, LEASE_SECONDS * 1000]))
        self.fence = Fence(keys.LEASE_TOKEN, token) if token else None
        return token > 0

    def release(self) -> None:
        """Release the lease, so that the next process can acquire it at once.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it; the lease expires by itself.
        """
        if self.fence and self.present_holder() == self.holder:
            commands(self.connection).delete(keys.LEASE)
        self.fence = None

    def present_holder(self) -> str:
        """Return the present holder; empty if there is none."""
        return (commands(self.connection).get(keys.LEASE) or b"").decode()
