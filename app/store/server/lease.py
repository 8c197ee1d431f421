"""A lease: one process has it at a time, and what it writes later than that is refused.

A process may be held up for longer than its lease lasts, and not notice. So each holder has a token, a number that
grows with every change of hands, and a write that names an older one is not made (`Lease.fence`, used by
app/store/rq/enqueue.py).
After a failover to a replica that never saw the last change of hands, two processes may have the same token for a
moment. What they write is the same then, too: a job's id says what it is for.
"""

from dataclasses import dataclass
from typing import Final

import redis

from app.store import keys
from app.store.server.commands import commands
from app.store.server.connection import script

#: Seconds after which a holder that does not renew it loses it.
LEASE_SECONDS: Final = 10


class FencedError(Exception):
    """Another process has the lease now; nothing was written."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A key, and the value that it must have for a write to be made."""

    key: str
    token: int

    def check(self, found: bytes | None) -> None:
        """Return if the key has its value.

        Raises:
            FencedError: it has not.
        """
        if int(found or 0) != self.token:
            raise FencedError(self.key)


class Lease:
    """The right to schedule.

    Args:
        connection: Redis.
        holder: names this process, for people too.
    """

    def __init__(self, connection: "redis.Redis", holder: str) -> None:
        self.connection, self.holder = connection, holder
        self.fence: Fence | None = None

    def hold(self) -> bool:
        """Take or renew the lease; return whether this process has it.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it.
        """
        take = script(self.connection, "lease")
        token = int(take(keys=[keys.LEASE, keys.LEASE_TOKEN], args=[self.holder, LEASE_SECONDS * 1000]))
        self.fence = Fence(keys.LEASE_TOKEN, token) if token else None
        return token > 0

    def release(self) -> None:
        """Let the next process have it at once.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it; the lease expires by itself.
        """
        if self.fence and self.present_holder() == self.holder:
            commands(self.connection).delete(keys.LEASE)
        self.fence = None

    def present_holder(self) -> str:
        """Return who has it; empty for nobody."""
        return (commands(self.connection).get(keys.LEASE) or b"").decode()
