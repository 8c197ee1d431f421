"""Connections to Redis, and the Lua scripts."""

import re
import threading
import time
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.exceptions import (
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

#: Seconds after which an unresponsive Redis counts as unavailable.
SOCKET_TIMEOUT: Final = 5.0
#: The same for the receiver: Coder retries after a 503, and a waiting thread serves no other requests.
RECEIVER_TIMEOUT: Final = 2.0
#: RQ needs BLMOVE for its reliable dequeue.
OLDEST_VERSION = (6, 2)
#: Errors of a server that became a replica: for writes, for reads if it may not serve stale data, and for clients that
#: are waiting in BLMOVE. Up to Redis 6.2 a script's error only contains them.
_NO_MASTER: Final = ("READONLY", "MASTERDOWN", "UNBLOCKED")
_FORBIDDEN: Final = re.compile(r"run the '([^']+)'")


class MovedError(ReadOnlyError, RedisConnectionError):
    """This server is no longer a master. redis-py and RQ treat this as a lost connection and reconnect."""


class Silence:
    """Remembers that Redis did not answer in time, so that only one caller waits for it again.

    Otherwise each call of a page, and each request behind it, would wait for the full timeout. Shared by the
    connections of a pool, and safe between threads.

    Args:
        timeout: seconds until one caller may try again, and for which it may wait.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._silent = False
        self._until = 0.0

    def check(self) -> None:
        """Return if Redis is not known to be failing, or if it is time to try again.

        Raises:
            redis.exceptions.TimeoutError: Redis recently failed to answer.
        """
        if not self._silent:
            return
        with self._lock:
            now = time.monotonic()
            if self._silent and now < self._until:
                raise RedisTimeoutError("Redis did not answer a moment ago")
            self._until = now + self._timeout

    def begin(self) -> None:
        with self._lock:
            self._silent, self._until = True, time.monotonic() + self._timeout / 2

    def end(self) -> None:
        self._silent = False


class Era:
    """Counts how often this process found a server that is no longer a master."""

    number = 0


class _Watched(AbstractConnection):
    """A connection that is reopened once any connection of its era finds a server that is no longer a master.

    After a failover the old master may continue as a replica and keep its connections; a new one leads to the master.
    """

    def __init__(self, *args: Any, era: Era, silence: Silence | None = None, **kwargs: Any) -> None:
        self._era, self._born = era, era.number
        self.silence = silence
        super().__init__(*args, **kwargs)

    @property
    def outdated(self) -> bool:
        return self._born != self._era.number

    def connect(self) -> None:
        """Open the connection unless it is open; pools call this before handing out a connection."""
        if self.silence:
            self.silence.check()
        if self.outdated:
            self.disconnect()  # type: ignore[no-untyped-call]
        try:
            super().connect()  # type: ignore[no-untyped-call]
        except (RedisTimeoutError, TimeoutError):
            self._fell_silent()
            raise

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read an answer.

        Raises:
            MovedError: the server is no longer a master.
        """
        try:
            answer = super().read_response(*args, **kwargs)
        except (RedisTimeoutError, TimeoutError):
            self._fell_silent()
            raise
        except ResponseError as error:
            if not is_no_master(error):
                raise
            raise self.moved(error) from error
        if self.silence:
            self.silence.end()
        return answer

    def _fell_silent(self) -> None:
        if self.silence:
            self.silence.begin()

    def moved(self, error: Exception) -> MovedError:
        """End the era, and return the error to raise; further answers of a pipeline may still be on the wire."""
        self._era.number += 1
        return MovedError(str(error))

    def _connect(self) -> Any:
        self._born = self._era.number
        return super()._connect()  # type: ignore[no-untyped-call, safe-super]


class _WatchedTcp(_Watched, Connection):
    """A watched connection over TCP."""


class _WatchedUnix(_Watched, UnixDomainSocketConnection):
    """A watched connection over a Unix socket."""


class _WatchedTls(_Watched, SSLConnection):
    """A watched connection over TLS."""


_WATCHED: Final[Mapping[Any, Any]] = MappingProxyType(
    {Connection: _WatchedTcp, UnixDomainSocketConnection: _WatchedUnix, SSLConnection: _WatchedTls}
)


def connect(
    url: str, timeout: float = SOCKET_TIMEOUT, *, ca_file: Path | None = None, hurried: bool = False
) -> "redis.Redis":
    """Open a connection pool; nothing is sent before the first command.

    A command that fails because the connection was lost is retried once, immediately: all our scripts may run twice. A
    command that Redis does not answer in time is not retried.

    Args:
        url: redis://, rediss:// or unix://.
        timeout: seconds to wait for a connection, and for each answer.
        ca_file: additional certificates that rediss:// trusts.
        hurried: while Redis does not answer, only one caller at a time waits for it, and the others fail immediately.
    """
    kind = parse_url(url).get("connection_class", Connection)  # type: ignore[no-untyped-call]
    # Parameters in the URL, such as ?ssl_ca_certs=…, take precedence.
    more: Any = {"ssl_ca_certs": str(ca_file)} if ca_file and url.startswith("rediss://") else {}
    pool = redis.ConnectionPool.from_url(
        url,
        **more,
        connection_class=_WATCHED[kind],
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        health_check_interval=30,
        era=Era(),
        silence=Silence(timeout) if hurried else None,
    )
    return redis.Redis.from_pool(pool)


def with_timeout(connection: "redis.Redis", timeout: float) -> "redis.Redis":
    """Return separate connections to the same Redis with a timeout in seconds for each answer, all of them hurried."""
    known = connection.connection_pool
    changed = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "silence": Silence(timeout)}
    pool = redis.ConnectionPool(known.connection_class, **{**known.connection_kwargs, **changed})
    return redis.Redis.from_pool(pool)


def is_no_master(error: Exception) -> bool:
    """Return whether a server refused because it is a replica."""
    return isinstance(error, ReadOnlyError) or any(word in str(error) for word in _NO_MASTER)


@cache
def script_text(name: str) -> str:
    return (files("app.store.scripts") / f"{name}.lua").read_text(encoding="utf-8")


def script(connection: "redis.Redis", name: str) -> Any:
    """Return a script by name, ready to call; its text is sent only if Redis does not have it."""
    return connection.register_script(script_text(name))


_WORDS: Final[tuple[tuple[Any, str], ...]] = (
    (BusyLoadingError, "loading"),
    (ReadOnlyError, "read-only"),
    (OutOfMemoryError, "full"),
    (RedisConnectionError | RedisTimeoutError | OSError, "unreachable"),
)
_CODES: Final = (
    ("OOM", "full"),
    ("MISCONF", "disk-full"),
    ("NOREPLICAS", "no-replicas"),
    *((word, "read-only") for word in _NO_MASTER),
)


def unavailable(error: Exception) -> str | None:
    """Return in a few words why Redis cannot accept writes now; None if the error has another cause."""
    for kind, word in _WORDS:
        if isinstance(error, kind):
            return word
    if isinstance(error, ResponseError):
        for code, word in _CODES:
            if code in str(error):
                return word
        right = missing_right(error)
        if right:
            return f"denying {right}"
    return "failing" if isinstance(error, RedisError) else None


def missing_right(error: Exception) -> str | None:
    """Return what the Redis user may not do (ACL), such as "the command 'info'"; None for any other error."""
    text = str(error)
    # redis-py removes the error code; a script's error contains it.
    if not isinstance(error, NoPermissionError) and not re.search(r"NOPERM|ACL failure|can't run this command", text):
        return None
    found = _FORBIDDEN.search(text)
    if found:
        return f"the command '{found[1]}'"
    return "a key" if "key" in text else "a channel" if "channel" in text else "a command"
