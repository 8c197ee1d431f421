"""The Redis server itself: whether it accepts writes, and its own report."""

from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import ResponseError

from app.core.schema import ClusterModeError, OtherNodeError
from app.core.text.redisprefix import has_tag
from app.store import keys
from app.store.server.commands import commands
from app.store.server.connection import missing_right
from app.store.server.watched import MovedError


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The server's own report.

    Attributes:
        facts: the fields of INFO; only `redis_version` if the Redis user may not run INFO.
        missing: the right that the Redis user lacks to see the rest, such as "the command 'info'"; otherwise empty.
    """

    facts: dict[str, Any]
    missing: str = ""


def check_writable(connection: "redis.Redis") -> None:
    """Perform a write that changes nothing, which is the only way to know that Redis can accept deliveries.

    Raises:
        redis.exceptions.RedisError: it cannot, or the Redis user may not write.
        OSError: the same.
    """
    connection.set(keys.PROBE, "1", xx=True)


def server_info(connection: "redis.Redis") -> ServerInfo:
    """Read INFO or, if the Redis user may not run it, the version from HELLO.

    Raises:
        redis.exceptions.RedisError: the server does not answer.
    """
    client = commands(connection)
    try:
        return ServerInfo(dict(client.info()))
    except ResponseError as error:
        right = missing_right(error)
        if right is None:
            raise
    return ServerInfo({"redis_version": server_version(connection)}, right)


def server_setting(connection: "redis.Redis", name: str) -> str:
    """Return a setting of the server; empty if it cannot be read.

    Raises:
        redis.exceptions.RedisError: the server does not answer.
    """
    client: Any = connection
    try:
        reply = client.config_get(name)
    except ResponseError:  # managed servers have no CONFIG, and few users may run it
        return ""
    return "".join(_text(value) for value in reply.values())


def server_version(connection: "redis.Redis") -> str:
    """Return the version from HELLO, which every Redis user may run; 0 if it has none."""
    return _hello(connection).get("version", "0")


def in_cluster_mode(connection: "redis.Redis") -> bool:
    """Return whether the server is a node of Redis Cluster.

    Raises:
        redis.exceptions.RedisError: the server does not answer.
    """
    return _hello(connection).get("mode") == "cluster"


def _hello(connection: "redis.Redis") -> dict[str, str]:
    client = commands(connection)
    reply = client.execute_command("HELLO")
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=False)
    return {_text(name): _text(value) for name, value in pairs}


def check_cluster(connection: "redis.Redis") -> bool:
    """Return whether the server is a node of Redis Cluster, and if so, that it serves our keys.

    Raises:
        app.core.schema.ClusterModeError: the keys have no hash tag.
        app.core.schema.OtherNodeError: another node serves them.
        redis.exceptions.RedisError: the server does not answer.
    """
    if not in_cluster_mode(connection):
        return False
    if not has_tag(keys.SHARED):
        raise ClusterModeError
    try:
        commands(connection).exists(keys.PROBE)
    except MovedError as error:
        # The text is the slot and the address.
        raise OtherNodeError(str(error).rpartition(" ")[2]) from error
    return True


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
