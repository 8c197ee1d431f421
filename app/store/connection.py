"""Connections to Redis, and the scripts loaded from beside this file."""

from functools import cache
from importlib.resources import files
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

#: Seconds after which a silent Redis counts as gone. The receiver has to answer Coder within its minute.
SOCKET_TIMEOUT = 5.0
#: RQ needs BLMOVE for its reliable dequeue.
OLDEST_VERSION = (6, 2)


def connect(url: str) -> "redis.Redis":
    """Open a pool of connections; nothing is sent before the first command.

    A command that fails for a lost connection is tried once more, at once: every script of ours may run twice.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=SOCKET_TIMEOUT,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=30,
    )


@cache
def script_text(name: str) -> str:
    return (files("app.store.scripts") / f"{name}.lua").read_text(encoding="utf-8")


def script(connection: "redis.Redis", name: str) -> Any:
    """Return a script by name, ready to call; Redis is told its text only when it does not know it yet."""
    return connection.register_script(script_text(name))


def unavailable(error: Exception) -> str | None:
    """Say in a word why Redis cannot take a write now, or None if the error is something else."""
    if isinstance(error, BusyLoadingError):
        return "loading"
    if isinstance(error, ReadOnlyError):
        return "read-only"
    if isinstance(error, OutOfMemoryError):
        return "full"
    if isinstance(error, RedisConnectionError | RedisTimeoutError | OSError):
        return "unreachable"
    if isinstance(error, ResponseError):
        for word, why in (
            ("OOM", "full"),
            ("MISCONF", "disk-full"),
            ("NOREPLICAS", "no-replicas"),
            ("READONLY", "read-only"),
        ):
            if word in str(error):
                return why
    return "failing" if isinstance(error, RedisError) else None
