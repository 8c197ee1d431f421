"""Checks of Redis: the server itself, its replicas, and Sentinel."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import redis

from app import clock
from app.config.load import Config
from app.core.finding import Finding, Result
from app.core.schema import SchemaError
from app.net import trust
from app.store.server.cluster import SLOT, slot_master_of
from app.store.server.connection import OLDEST_VERSION, missing_right, unavailable
from app.store.server.info import check_cluster, check_writable, server_info, server_setting
from app.store.server.sentinel import SentinelState, master_of

_LARGEST_SKEW: Final = 30.0
#: With fewer, the remaining sentinels have no majority after one has failed.
_FEWEST_SENTINELS: Final = 3
_RIGHTS: Final = "docs/redis.md, Rights of the Redis user"
_TLS_REMEDY: Final = (
    "set AWB_REDIS_CA_FILE to the CA's file; if the certificate is for another name than AWB_REDIS_URL has, "
    "set AWB_REDIS_SERVER_NAME"
)
_CERTIFICATE_REMEDY: Final = "Redis requires a client certificate: set AWB_REDIS_CERT_FILE and AWB_REDIS_KEY_FILE"


def examine_redis(config: Config, connection: "redis.Redis") -> Iterator[Finding]:
    """Yield the findings about Redis and Sentinel; if Redis does not answer, the only one about it is that."""
    yield from _sentinels(connection)
    try:
        mode = _mode(connection) if check_cluster(connection) else None
        check_writable(connection)
        server = server_info(connection)
        seconds, micros = connection.time()
    except SchemaError as error:
        yield Finding("redis.mode", Result.ERROR, "Redis runs in cluster mode", str(error))
        return
    except (redis.exceptions.RedisError, OSError) as error:
        yield _away(config, error)
        return
    if mode:
        yield mode
    yield Finding("redis.reachable", Result.OK, "Redis answers and accepts writes")
    yield _version(server.facts)
    if server.missing:
        yield Finding(
            "redis.rights", Result.WARNING,
            f"append-only file and maxmemory-policy cannot be read: the Redis user may not run {server.missing}",
            f"allow it with +info, or check for appendonly yes and maxmemory-policy noeviction yourself ({_RIGHTS})",
        )  # fmt: skip
    else:
        yield _policy(server.facts)
        yield from _replication(config, connection, server.facts)
    if server_setting(connection, "appendfsync") == "no":
        yield Finding(
            "redis.appendfsync", Result.WARNING,
            "appendfsync no: a power failure may lose half a minute of confirmed deliveries",
            "set appendfsync everysec, which may lose a second or two, or always, which loses none",
        )  # fmt: skip
    skew = abs(seconds + micros / 1e6 - clock.now().timestamp())
    yield Finding(
        "clock.redis", Result.OK if skew < _LARGEST_SKEW else Result.WARNING, f"{skew:.1f} s from Redis' clock",
        "" if skew < _LARGEST_SKEW else "synchronize the clocks (NTP): they determine when usage periods begin",
    )  # fmt: skip


def _mode(connection: "redis.Redis") -> Finding:
    """Return the finding about a node of Redis Cluster that has our keys."""
    check, owner = "redis.mode", slot_master_of(connection)
    if owner is None:
        return Finding(
            check, Result.WARNING, f"Redis runs in cluster mode; all keys are in slot {SLOT}, which this node has now",
            "set AWB_REDIS_URL to redis+cluster://HOST:PORT,HOST:PORT: then the meter follows the slot at a failover",
        )  # fmt: skip
    host, port = owner.address()
    return Finding(check, Result.OK, f"Redis Cluster: all keys are in slot {SLOT}, on {host}:{port}")


def _away(config: Config, error: Exception) -> Finding:
    right = missing_right(error)
    hint = f"let the Redis user run {right} ({_RIGHTS})" if right else "start it, or check AWB_REDIS_URL"
    hint = _TLS_REMEDY if trust.is_untrusted(error) else _CERTIFICATE_REMEDY if _is_asked_for(error) else hint
    text = f"Redis is {unavailable(error)}"
    if config.settings.redis_url is None:
        text = f"no meter is running in {config.settings.data_dir.resolve()}"
        hint = "start it with: awb run (or set AWB_DATA_DIR to the data directory of a running meter)"
    return Finding("redis.reachable", Result.ERROR, text, hint)


def _version(info: Mapping[str, Any]) -> Finding:
    version = str(info.get("valkey_version") or info["redis_version"])
    # Valkey reports itself to clients as Redis 7.2.4; its own version is newer than any with missing features.
    new_enough = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2]) >= OLDEST_VERSION
    return Finding(
        "redis.version", Result.OK if new_enough else Result.ERROR, f"version {version}",
        "" if new_enough else "RQ loses jobs on servers before 6.2; upgrade it",
    )  # fmt: skip


def _policy(info: dict[str, object]) -> Finding:
    policy = str(info.get("maxmemory_policy", "unknown"))
    return Finding(
        "redis.policy", Result.OK if policy == "noeviction" else Result.ERROR, f"maxmemory-policy {policy}",
        "" if policy == "noeviction" else "set maxmemory-policy noeviction: any other may delete the ledger",
    )  # fmt: skip


def _is_asked_for(error: Exception) -> bool:
    """Return whether the server closed the connection because it requires a client certificate."""
    return "certificate required" in str(error) or "CERTIFICATE_REQUIRED" in str(error)


def _sentinels(connection: "redis.Redis") -> Iterator[Finding]:
    master = master_of(connection)
    if master is None:
        return
    check, found = "redis.sentinel", master.survey()
    away = [f"{one.address} ({one.problem})" for one in found if one.problem]
    knowing = [one for one in found if one.known]
    if len(away) == len(found):
        yield Finding(
            check, Result.ERROR, f"no sentinel answers: {', '.join(away)}",
            "check the hosts in AWB_REDIS_URL, and AWB_REDIS_SENTINEL_PASSWORD if Sentinel has a password",
        )  # fmt: skip
    elif not knowing:
        yield Finding(
            check, Result.ERROR, f"no sentinel knows a master named “{master.service}”",
            "the last part of AWB_REDIS_URL is the name after `sentinel monitor` in sentinel.conf",
        )  # fmt: skip
    elif away:
        yield Finding(check, Result.WARNING, f"sentinels that do not answer: {', '.join(away)}", "restart them")
    else:
        yield _watched(check, knowing)


def _watched(check: str, knowing: list[SentinelState]) -> Finding:
    number = max(one.peers + 1 for one in knowing)
    if number < _FEWEST_SENTINELS:
        return Finding(
            check, Result.WARNING, f"{number} sentinel{'' if number == 1 else 's'}: no majority is left if one fails",
            "run three sentinels on three machines",
        )  # fmt: skip
    return Finding(check, Result.OK, f"{number} sentinels watch {knowing[0].master}")


def _replication(config: Config, connection: "redis.Redis", info: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what a failover can lose; nothing for a server without replicas and without Sentinel."""
    check, wanted = "redis.replication", config.settings.redis_wait_replicas
    listed = [info.get(f"slave{number}") for number in range(int(info.get("connected_slaves", 0)))]
    online = sum(isinstance(one, dict) and one.get("state") == "online" for one in listed)
    replicas = f"{online} replica{'' if online == 1 else 's'}"
    if wanted > online:
        yield Finding(
            check, Result.ERROR, f"every delivery waits for {wanted} replicas and is refused: {replicas} connected",
            "restore the replica, or lower AWB_REDIS_WAIT_REPLICAS and accept what a failover may then lose",
        )  # fmt: skip
    elif wanted:
        spare = online - wanted
        rest = f"{spare} may fail before deliveries are refused" if spare else "if one fails, deliveries are refused"
        yield Finding(check, Result.OK, f"confirmed deliveries are on {wanted} of {replicas}; {rest}")
    elif online or master_of(connection):
        fewest = server_setting(connection, "min-replicas-to-write")
        kept = "; min-replicas-to-write does not prevent that" if fewest not in ("", "0") else ""
        yield Finding(
            check, Result.WARNING,
            f"a failover may lose deliveries that were confirmed just before it{kept}",
            "set AWB_REDIS_WAIT_REPLICAS=1: a delivery is then confirmed once a replica has it",
        )  # fmt: skip
