"""The address of the master, according to Sentinel."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.retry import Retry
from redis.sentinel import Sentinel

#: Seconds to wait for a sentinel before asking the next one; a request may have to wait for each of them.
_TIMEOUT: Final = 0.5


class NamedTls(SSLConnection):
    """TLS to a server whose certificate is for another name than the address.

    Args:
        server_name: the name to send and to verify; empty for the host of the address.
    """

    def __init__(self, *args: Any, server_name: str = "", **kwargs: Any) -> None:
        self._server_name = server_name
        super().__init__(*args, **kwargs)

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        # redis-py verifies the certificate against the connection's host and has no option for another name.
        address = self.host
        self.host = self._server_name or address
        try:
            return super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        finally:
            self.host = address


@dataclass(frozen=True, slots=True)
class SentinelState:
    """The view of one sentinel.

    Attributes:
        address: host and port of the sentinel.
        problem: why it does not answer; empty if it does.
        known: whether it knows the service.
        master: host and port of the master.
        peers: the number of other sentinels that it knows.
    """

    address: str
    problem: str = ""
    known: bool = False
    master: str = ""
    peers: int = 0


class Master:
    """The present master of a service; safe to share between threads.

    Args:
        sentinels: host and port of each.
        service: the name under which they know the master.
        access: options for connecting to them: `username`, `password`, and redis-py's options for TLS with
            `server_name`.
        tls: whether to use TLS for them.
    """

    def __init__(
        self, sentinels: Sequence[tuple[str, int]], service: str, access: Mapping[str, Any], *, tls: bool
    ) -> None:
        self.service = service
        self._lock = threading.Lock()
        self._sentinel = Sentinel([], sentinel_kwargs={})  # type: ignore[no-untyped-call]
        self._sentinel.sentinels = [client(host, port, access, tls=tls) for host, port in sentinels]

    def survey(self) -> list[SentinelState]:
        """Ask every sentinel for its view."""
        return [_ask(one, self.service) for one in list(self._sentinel.sentinels)]

    def address(self) -> tuple[str, int]:
        """Ask the sentinels for the address of the present master.

        Raises:
            redis.sentinel.MasterNotFoundError: no sentinel that answers knows a working master.
            redis.exceptions.ResponseError: the user may not ask for it.
        """
        # redis-py moves the sentinel that answered to the front of its list, which two threads must not do at once.
        with self._lock:
            host, port = self._sentinel.discover_master(self.service)  # type: ignore[no-untyped-call]
        return str(host), int(port)


def master_of(connection: "redis.Redis") -> Master | None:
    """Return the object that finds the master for a connection; None if Sentinel has no part in it."""
    found = connection.connection_pool.connection_kwargs.get("master")
    return found if isinstance(found, Master) else None


def _ask(sentinel: "redis.Redis", service: str) -> SentinelState:
    options = sentinel.connection_pool.connection_kwargs
    address, asked = f"{options['host']}:{options['port']}", cast("Any", sentinel)
    try:
        found = asked.sentinel_masters().get(service)
    except redis.exceptions.AuthenticationError:
        return SentinelState(address, "wrong password")
    except (redis.exceptions.RedisError, OSError) as error:
        return SentinelState(address, "not allowed" if isinstance(error, redis.exceptions.ResponseError) else "away")
    if found is None:
        return SentinelState(address)
    return SentinelState(address, "", True, f"{found['ip']}:{found['port']}", int(found["num-other-sentinels"]))


def client(host: str, port: int, access: Mapping[str, Any], *, tls: bool) -> "redis.Redis":
    """Return connections for short questions to a server, as `Master` describes them."""
    options: Any = {
        **access,
        "host": host,
        "port": port,
        "socket_timeout": _TIMEOUT,
        "socket_connect_timeout": _TIMEOUT,
        # The sentinel may have closed an idle connection.
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,)),
    }
    return redis.Redis.from_pool(redis.ConnectionPool(NamedTls if tls else Connection, **options))
