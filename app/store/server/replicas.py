"""Waiting for replicas: Redis confirms a write before it has sent it to any."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import redis
from redis.exceptions import RedisError

from app.config.settings import Settings
from app.store import keys


class NotReplicatedError(RedisError):
    """Too few replicas have it in time. It was written nevertheless: trying again finds it there."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many replicas must have what was accepted before it is confirmed.

    Attributes:
        number: 0 to wait for none.
        milliseconds: how long to wait for them.
    """

    number: int = 0
    milliseconds: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.redis_wait_replicas, settings.redis_wait_ms)

    @property
    def command(self) -> Sequence[bytes]:
        """What to send behind a write, on the same connection; the reply is for `check`."""
        return (b"WAIT", b"%d" % self.number, b"%d" % self.milliseconds)

    def check(self, reached: int) -> None:
        """Return if enough replicas have everything that was written before.

        Raises:
            NotReplicatedError: they have not.
        """
        if reached < self.number:
            raise NotReplicatedError(f"{reached} of {self.number} replicas have it")

    def confirm(self, connection: "redis.Redis") -> None:
        """Wait until enough replicas have what was written until now, by whatever connection.

        Raises:
            NotReplicatedError: they have not.
            redis.exceptions.RedisError: Redis does not answer.
        """
        if not self.number:
            return
        pipe: Any
        with connection.pipeline(transaction=False) as pipe:
            # WAIT is about the writes of its own connection; replicas that have this one have all before it.
            pipe.set(keys.REPLICATED, "1")
            pipe.execute_command(*self.command)
            self.check(int(pipe.execute()[-1]))
