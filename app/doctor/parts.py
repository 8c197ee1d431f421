"""Checks that parts on several machines agree."""

from collections.abc import Iterator
from typing import Final

import redis

from app import clock
from app.core.finding import Finding, Result
from app.store import keys
from app.store.parts import Part, Parts
from app.store.rq.workers import prefixes_at_work

_SECRETS: Final = ("webhook_secret", "webhook_secret_previous", "session_secret", "relay_secret")


def examine_parts(connection: "redis.Redis") -> Iterator[Finding]:
    """Compare the settings of all parts that have reported lately; nothing is found of a single one."""
    try:
        parts = Parts(connection).running(clock.now().timestamp())
    except (redis.exceptions.RedisError, OSError):  # which has been reported
        return
    different = [key for key in sorted({key for part in parts for key in part.fingerprint}) if _differs(key, parts)]
    for key in different:
        one, other = _pair(key, parts)
        secret = key in _SECRETS
        yield Finding(
            "parts.agree", Result.ERROR if secret else Result.WARNING,
            f"{key} differs between {one.name} and {other.name}",
            f"set AWB_{key.upper()} to the same value on every machine (docs/scaling.md), and start the parts again",
        )  # fmt: skip
    if len(parts) > 1 and not different:
        yield Finding("parts.agree", Result.OK, f"{len(parts)} parts have the same settings")


def examine_prefix(connection: "redis.Redis") -> Iterator[Finding]:
    """Find workers of another prefix on this Redis if none have ours: they may be meant to be the same meter's."""
    try:
        found = prefixes_at_work(connection)
    except (redis.exceptions.RedisError, OSError):  # which has been reported, or may not be seen
        return
    others = " and ".join(f"“{prefix}”" for prefix in sorted(found - {keys.SHARED}))
    if others and keys.SHARED not in found:
        yield Finding(
            "redis.prefix", Result.WARNING,
            f"no workers on this Redis have the prefix “{keys.SHARED}”, but some have {others}",
            "set AWB_REDIS_PREFIX to the same value for every part of a meter (docs/redis.md)",
        )  # fmt: skip


def _differs(key: str, parts: list[Part]) -> bool:
    return len({part.fingerprint[key] for part in parts if key in part.fingerprint}) > 1


def _pair(key: str, parts: list[Part]) -> tuple[Part, Part]:
    """Return two parts that differ."""
    having = [part for part in parts if key in part.fingerprint]
    return having[0], next(part for part in having if part.fingerprint[key] != having[0].fingerprint[key])
