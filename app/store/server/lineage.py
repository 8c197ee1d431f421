"""The identity of this Redis, the number of sweeps on it, and losses of deployments."""

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import redis

from app.core.alert.loss import Lineage, Loss
from app.store import keys
from app.store.server.commands import commands


def read_lineage(connection: "redis.Redis") -> Lineage:
    return _lineage(commands(connection).hmget(keys.LINEAGE, "id", "sweeps"))


def read_lineage_and_loss(connection: "redis.Redis", deployment: str) -> tuple[Lineage, Loss | None]:
    """Return the identity and the unrecovered loss of a deployment, in one round trip."""
    with connection.pipeline(transaction=False) as pipe:
        pipe.hmget(keys.LINEAGE, "id", "sweeps")
        pipe.hget(keys.LOSSES, deployment)
        lineage, loss = pipe.execute()
    return _lineage(lineage), _loss(loss)


def advance(connection: "redis.Redis") -> Lineage:
    """Count a sweep; a Redis without an identity gets one."""
    with connection.pipeline(transaction=True) as pipe:
        pipe.hsetnx(keys.LINEAGE, "id", secrets.token_hex(8))
        pipe.hincrby(keys.LINEAGE, "sweeps", 1)
        pipe.hget(keys.LINEAGE, "id")
        _, sweeps, identity = pipe.execute()
    return Lineage(identity.decode(), int(sweeps))


def read_loss(connection: "redis.Redis", deployment: str) -> Loss | None:
    """Return the unrecovered loss of a deployment; None if there is none."""
    return _loss(commands(connection).hget(keys.LOSSES, deployment))


def note_loss(connection: "redis.Redis", deployment: str, loss: Loss) -> bool:
    """Store a loss unless one is stored already; True if it was stored."""
    value = json.dumps([loss.found_at.timestamp(), loss.seen_at.timestamp(), loss.before, loss.left])
    return bool(commands(connection).hsetnx(keys.LOSSES, deployment, value))


def forget_loss(connection: "redis.Redis", deployment: str) -> None:
    commands(connection).hdel(keys.LOSSES, deployment)


def _lineage(stored: Sequence[bytes | None]) -> Lineage:
    identity, sweeps = stored
    return Lineage((identity or b"").decode(), int(sweeps or 0))


def _loss(stored: bytes | None) -> Loss | None:
    if stored is None:
        return None
    found_at, seen_at, before, left = json.loads(stored)
    return Loss(datetime.fromtimestamp(found_at, UTC), datetime.fromtimestamp(seen_at, UTC), before, left)
