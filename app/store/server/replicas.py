"""Waiting for replicas: Redis confirms a write before any replica has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import redis
from redis.exceptions import RedisError

from app.config.settings import Settings
from app.store import keys


class NotReplicatedError(RedisError):
    """Too few replicas confirmed a write in time. It was made nevertheless, so a retry finds it."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many replicas must have an accepted delivery before it is confirmed.

    Attributes:
        number: 0 to wait for none.
        milliseconds: the maximum time to wait for them.
    """

    number: int = 0
    milliseconds: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.redis_wait_replicas, settings.redis_wait_ms)

    @property
    def command(self) -> Sequence[bytes]:
        """Return the command to send after a write, on the same connection; pass the reply to `check`."""
        return (b"WAIT", b"%d" % self.number, b"%d" % self.milliseconds)

    def check(self, reached: int) -> None:
        """Return if enough replicas have everything that was written before.

        Raises:
            NotReplicatedError: they have not.
        """
        if reached < self.number:
            raise NotReplicatedError(f"only {reached} of {self.number} replicas have it")

    def confirm(self, connection: "redis.Redis") -> None:
        """Wait until enough replicas have every write so far, from any connection.

        Raises:
            NotReplicatedError: they have not.
            redis.exceptions.RedisError: Redis does not answer.
        """
        if not self.number:
            return
        pipe: Any
        with connection.pipeline(transaction=False) as pipe:
            # WAIT covers the writes of its own connection only; replicas that have this one have all earlier ones.
            pipe.set(keys.REPLICATED, "1")
            pipe.execute_command(*self.command)
            self.check(int(pipe.execute()[-1]))
