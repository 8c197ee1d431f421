"""Connections that notice when Redis does not respond, and when the master has changed."""

import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ClusterDownError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError as OtherNodeError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.store.server.sentinel import NamedTls

#: Errors of a server that became a replica: for writes, for reads if it may not serve stale data, and for clients that
#: are waiting in BLMOVE. Up to Redis 6.2 a script's error only contains them.
NO_MASTER: Final = ("READONLY", "MASTERDOWN", "UNBLOCKED")
#: The same for a script without declared keys on a node of Redis Cluster that does not serve the keys that it uses.
_NOT_HERE: Final = "non local key"


class MovedError(ReadOnlyError, RedisConnectionError):
    """This server is no longer a master, or not of our keys. redis-py and RQ treat this as a lost connection."""


class Finder(Protocol):
    """Finds the server to connect to."""

    def address(self) -> tuple[str, int]: ...


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

    Args:
        era: shared by the connections of a pool.
        silence: shared by them as well; None to wait for each answer.
        master: finds the address to connect to; None for a fixed address.
    """

    def __init__(
        self, *args: Any, era: Era, silence: Silence | None = None, master: Finder | None = None, **kwargs: Any
    ) -> None:
        self._era, self._born = era, era.number
        self.silence = silence
        self._master = master
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
        if self._master:
            where: Any = self
            where.host, where.port = self._master.address()
        return super()._connect()  # type: ignore[no-untyped-call, safe-super]


class _WatchedTcp(_Watched, Connection):
    """A watched connection over TCP."""


class _WatchedUnix(_Watched, UnixDomainSocketConnection):
    """A watched connection over a Unix socket."""


class _WatchedTls(_Watched, NamedTls):
    """A watched connection over TLS."""


WATCHED: Final[Mapping[Any, Any]] = MappingProxyType(
    {Connection: _WatchedTcp, UnixDomainSocketConnection: _WatchedUnix, SSLConnection: _WatchedTls}
)


def is_no_master(error: Exception) -> bool:
    """Return whether a server refused because it is a replica, or a node of a cluster without our keys."""
    if isinstance(error, ReadOnlyError | OtherNodeError | ClusterDownError):
        return True
    return any(word in str(error) for word in (*NO_MASTER, _NOT_HERE))
