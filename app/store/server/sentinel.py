"""Where the master is, as Sentinel knows it."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.retry import Retry
from redis.sentinel import Sentinel

#: Seconds to wait for a sentinel before the next one is asked; a request may wait for every one of them.
_TIMEOUT: Final = 0.5


class NamedTls(SSLConnection):
    """TLS to a server whose certificate has another name than the address that leads to it.

    Args:
        server_name: the name to ask for and to check; empty for the host of the address.
    """

    def __init__(self, *args: Any, server_name: str = "", **kwargs: Any) -> None:
        self._server_name = server_name
        super().__init__(*args, **kwargs)

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        # redis-py checks the certificate by the connection's host and has no option for another name.
        address = self.host
        self.host = self._server_name or address
        try:
            return super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        finally:
            self.host = address


@dataclass(frozen=True, slots=True)
class SentinelState:
    """What one sentinel says.

    Attributes:
        address: where it is.
        problem: why it does not answer; empty if it does.
        known: whether it knows the master by the name of the service.
        master: where that is.
        peers: the other sentinels that it knows.
    """

    address: str
    problem: str = ""
    known: bool = False
    master: str = ""
    peers: int = 0


class Master:
    """The present master of one service; safe to share between threads.

    Args:
        sentinels: host and port of each.
        service: the name under which they know the master.
        access: how to connect to them: `username`, `password`, and redis-py's options for TLS with `server_name`.
        tls: whether they are reached by TLS.
    """

    def __init__(
        self, sentinels: Sequence[tuple[str, int]], service: str, access: Mapping[str, Any], *, tls: bool
    ) -> None:
        self.service = service
        self._lock = threading.Lock()
        self._sentinel = Sentinel([], sentinel_kwargs={})  # type: ignore[no-untyped-call]
        self._sentinel.sentinels = [_client(host, port, access, tls=tls) for host, port in sentinels]

    def survey(self) -> list[SentinelState]:
        """Ask every sentinel for its view."""
        return [_ask(client, self.service) for client in list(self._sentinel.sentinels)]

    def address(self) -> tuple[str, int]:
        """Ask for the present master.

        Raises:
            redis.sentinel.MasterNotFoundError: no sentinel that answers has a living one.
            redis.exceptions.ResponseError: the user may not ask.
        """
        # redis-py moves the sentinel that answered to the front of its list, which two threads must not do at once.
        with self._lock:
            host, port = self._sentinel.discover_master(self.service)  # type: ignore[no-untyped-call]
        return str(host), int(port)


def master_of(connection: "redis.Redis") -> Master | None:
    """Return what finds the master for a connection; None where its address is fixed."""
    found: Master | None = connection.connection_pool.connection_kwargs.get("master")
    return found


def _ask(client: "redis.Redis", service: str) -> SentinelState:
    options = client.connection_pool.connection_kwargs
    address, asked = f"{options['host']}:{options['port']}", cast("Any", client)
    try:
        found = asked.sentinel_masters().get(service)
    except redis.exceptions.AuthenticationError:
        return SentinelState(address, "wrong password")
    except (redis.exceptions.RedisError, OSError) as error:
        return SentinelState(address, "not allowed" if isinstance(error, redis.exceptions.ResponseError) else "away")
    if found is None:
        return SentinelState(address)
    return SentinelState(address, "", True, f"{found['ip']}:{found['port']}", int(found["num-other-sentinels"]))


def _client(host: str, port: int, access: Mapping[str, Any], *, tls: bool) -> "redis.Redis":
    options: Any = {
        **access,
        "host": host,
        "port": port,
        "socket_timeout": _TIMEOUT,
        "socket_connect_timeout": _TIMEOUT,
        # A sentinel may have closed a connection that was left alone.
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,)),
    }
    return redis.Redis.from_pool(redis.ConnectionPool(NamedTls if tls else Connection, **options))
