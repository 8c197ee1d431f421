"""A connection to Redis that breaks at a chosen command, and by default stays broken, as if the process had died."""

from typing import Any, Literal

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, UnixDomainSocketConnection
from redis.retry import Retry

Where = Literal["before", "after"]


class Fuse:
    """Counts commands sent to Redis, and breaks the connection at one of them.

    Attributes:
        at: number of the command, from 1; 0 for never.
        where: before Redis gets the command, or after Redis executed it and before its answer is read.
        heals: whether later commands work again.
    """

    def __init__(self, at: int = 0, where: Where = "before", *, heals: bool = False) -> None:
        self.at = at
        self.where = where
        self.heals = heals
        self.sent = 0

    @property
    def blown(self) -> bool:
        return 0 < self.at <= self.sent


def fragile(url: str, fuse: Fuse) -> "redis.Redis":
    """Connect; the handshake is not counted."""

    class Fragile(UnixDomainSocketConnection):  # type: ignore[misc]
        breaking = False

        def on_connect(self) -> None:
            sent = fuse.sent
            super().on_connect()
            fuse.sent = sent

        def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            already = fuse.blown
            fuse.sent += 1
            blows = fuse.blown and not (already and fuse.heals)
            if blows and (already or fuse.where == "before"):
                raise redis.exceptions.ConnectionError("blown before the command")
            self.breaking = blows
            super().send_packed_command(*args, **kwargs)

        def read_response(self, *args: Any, **kwargs: Any) -> Any:
            answer = super().read_response(*args, **kwargs)
            if self.breaking:
                raise redis.exceptions.ConnectionError("blown before the answer")
            return answer

    path = url.removeprefix("unix://")
    return redis.Redis(connection_pool=ConnectionPool(connection_class=Fragile, path=path, retry=Retry(NoBackoff(), 0)))
