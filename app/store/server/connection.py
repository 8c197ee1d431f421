"""Connections to Redis, and the Lua scripts."""

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, parse_url
from redis.driver_info import DriverInfo
from redis.exceptions import (
    BusyLoadingError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from app.config.settings import Settings
from app.core.text.redisurl import (
    ClusterUrl,
    SentinelUrl,
    is_cluster,
    is_sentinel,
    parse_cluster_url,
    parse_sentinel_url,
)
from app.store.rqprefix import check
from app.store.server.cluster import SlotMaster
from app.store.server.replicas import NotReplicatedError
from app.store.server.sentinel import Master
from app.store.server.watched import NO_MASTER, WATCHED, Era, Silence

#: Seconds after which an unresponsive Redis counts as unavailable.
SOCKET_TIMEOUT: Final = 5.0
#: The same for the receiver: Coder retries after a 503, and a waiting thread serves no other requests.
RECEIVER_TIMEOUT: Final = 2.0
#: RQ needs BLMOVE for its reliable dequeue.
OLDEST_VERSION = (6, 2)
#: Given, because redis-py would read its version from the files of its package for every connection.
_DRIVER: Final = DriverInfo(lib_version=redis.__version__)
_FORBIDDEN: Final = re.compile(r"run the '([^']+)'")


def connect(
    url: str, timeout: float = SOCKET_TIMEOUT, *, settings: Settings | None = None, hurried: bool = False
) -> "redis.Redis":
    """Open a connection pool; nothing is sent before the first command.

    A command that fails because the connection was lost is retried once, immediately: all our scripts may run twice. A
    command that Redis does not answer in time is not retried.

    Args:
        url: redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://.
        timeout: seconds to wait for a connection, and for each answer.
        settings: certificates, the user for Sentinel, and the prefix that this process must use.
        hurried: while Redis does not answer, only one caller at a time waits for it, and the others fail immediately.

    Raises:
        app.store.rqprefix.WrongPrefixError: the keys of this process have another prefix.
    """
    if settings is not None:
        check(settings.redis_prefix)
    pool = redis.ConnectionPool(
        **_place(url, settings),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        health_check_interval=30,
        era=Era(),
        driver_info=_DRIVER,
        silence=Silence(timeout) if hurried else None,
    )
    return redis.Redis.from_pool(pool)


def _place(url: str, settings: Settings | None) -> dict[str, Any]:
    """Return the class and the options of connections: where they lead, as whom, and by which certificates."""
    if is_sentinel(url):
        return _by_sentinel(parse_sentinel_url(url), settings)
    if is_cluster(url):
        return _by_slot(parse_cluster_url(url), settings)
    options = parse_url(url)  # type: ignore[no-untyped-call]
    kind = options.get("connection_class", Connection)
    # What the URL says itself, as ?ssl_ca_certs=…, wins over the settings.
    return {**(_tls(settings) if kind is SSLConnection else {}), **options, "connection_class": WATCHED[kind]}


def _by_sentinel(url: SentinelUrl, settings: Settings | None) -> dict[str, Any]:
    tls = _tls(settings) if url.tls else {}
    return {
        **tls,
        "connection_class": WATCHED[SSLConnection if url.tls else Connection],
        "master": Master(url.sentinels, url.service, {**tls, **_sentinel_user(settings)}, tls=url.tls),
        "db": url.db,
        "username": url.user or None,
        "password": url.password or None,
    }


def _by_slot(url: ClusterUrl, settings: Settings | None) -> dict[str, Any]:
    tls = _tls(settings) if url.tls else {}
    access = {**tls, "username": url.user or None, "password": url.password or None}
    return {
        **access,
        "connection_class": WATCHED[SSLConnection if url.tls else Connection],
        "master": SlotMaster(url.nodes, access, tls=url.tls),
    }


def _sentinel_user(settings: Settings | None) -> dict[str, str]:
    password = settings.redis_sentinel_password if settings else None
    if settings is None or password is None:
        return {}
    user = {"username": settings.redis_sentinel_user} if settings.redis_sentinel_user else {}
    return {**user, "password": password.get_secret_value()}


def _tls(settings: Settings | None) -> dict[str, str]:
    if settings is None:
        return {}
    options = {
        "ssl_ca_certs": settings.redis_ca_file or settings.ca_file,
        "ssl_certfile": settings.redis_cert_file,
        "ssl_keyfile": settings.redis_key_file,
        "server_name": settings.redis_server_name,
    }
    return {name: str(value) for name, value in options.items() if value}


def with_timeout(connection: "redis.Redis", timeout: float) -> "redis.Redis":
    """Return separate connections to the same Redis with a timeout in seconds for each answer, all of them hurried."""
    known = connection.connection_pool
    changed = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "silence": Silence(timeout)}
    pool = redis.ConnectionPool(known.connection_class, **{**known.connection_kwargs, **changed})
    return redis.Redis.from_pool(pool)


@cache
def script_text(name: str) -> str:
    return (files("app.store.scripts") / f"{name}.lua").read_text(encoding="utf-8")


def script(connection: "redis.Redis", name: str) -> Any:
    """Return a script by name, ready to call; its text is sent only if Redis does not have it."""
    return connection.register_script(script_text(name))


def pipelined(connection: "redis.Redis", fill: Callable[[Any], None], *scripts: Any) -> list[Any]:
    """Run commands and scripts in one round trip; redis-py would first ask whether Redis has the scripts.

    Args:
        connection: to Redis.
        fill: adds the commands to a pipeline, scripts by `evalsha`. If Redis turns out not to have a script, it is
            called again, and the other commands run twice.
        scripts: those that `fill` runs.
    """
    for _ in range(2):
        with connection.pipeline(transaction=False) as pipe:
            fill(pipe)
            try:
                return pipe.execute()
            except NoScriptError:
                for one in scripts:
                    connection.script_load(one.script)
    raise NoScriptError


_WORDS: Final[tuple[tuple[Any, str], ...]] = (
    (BusyLoadingError, "loading"),
    (ReadOnlyError, "read-only"),
    (OutOfMemoryError, "full"),
    (NotReplicatedError, "no-replicas"),
    (RedisConnectionError | RedisTimeoutError | OSError, "unreachable"),
)
_CODES: Final = (
    ("OOM", "full"),
    ("MISCONF", "disk-full"),
    ("NOREPLICAS", "no-replicas"),
    *((word, "read-only") for word in NO_MASTER),
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
