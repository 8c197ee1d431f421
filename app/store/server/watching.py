"""Optimistic transactions: what another client changed meanwhile is read again, up to a maximum."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import redis
from redis.exceptions import RedisError, WatchError

_T = TypeVar("_T")
#: Each competing client costs the others one round; if this many do not suffice, something else is wrong.
_ROUNDS: Final = 50


def watching(connection: "redis.Redis", names: list[str], attempt: Callable[[Any], _T]) -> _T:
    """Watch keys, and call a function until no other client changes them before its transaction.

    redis-py treats a lost connection, and a server that became a replica, like a changed key.

    Args:
        connection: Redis.
        names: the keys.
        attempt: gets a pipeline; reads, then calls `multi` and `execute` if there is anything to write.

    Returns:
        What the last call returned.

    Raises:
        redis.exceptions.RedisError: Redis is unavailable, or other clients changed the keys in every round.
    """
    why: RedisError = WatchError()
    with connection.pipeline() as pipe:
        for _ in range(_ROUNDS):
            try:
                pipe.watch(*names)  # type: ignore[no-untyped-call]
                return attempt(pipe)
            except WatchError as error:
                why = error.__context__ if isinstance(error.__context__, RedisError) else error
    raise why
