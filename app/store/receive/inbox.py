"""Received deliveries: remembered message ids, the queue, their outcomes, and the quarantine."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis
from redis.client import Pipeline

from app.core.text.compact import compact
from app.store import keys
from app.store.receive import seen
from app.store.receive.deployments import Deployments
from app.store.receive.packs import Packs
from app.store.relay.relays import NOTHING, Relayed
from app.store.rq import jobqueue, readyjob, turns
from app.store.server.channel import Channel
from app.store.server.commands import Fields, commands
from app.store.server.replicas import Replicas

#: The number of quarantined bodies kept, and for how long. They cannot be counted; an admin reviews the newest.
QUARANTINE_KEPT: Final = 200
_QUARANTINE_SECONDS: Final = 90 * 86_400
_TRIMMED_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class Remembered:
    """The stored outcome of one delivery."""

    message_id: str
    received_at: float
    summary: Mapping[str, Any]
    unlisted_template: str = ""


class TooManyDeploymentsError(Exception):
    """The deployment is unknown, and no further name is accepted."""


class Inbox:
    """The inbox of one deployment.

    Args:
        connection: the connection to Redis.
        deployment: the deployment's name.
        accepting: the channel for deliveries, shared by the inboxes of a process; without it each has its own
            connections.
        most: how many other deployments may be known; negative for a configured deployment, which is always accepted.
    """

    def __init__(
        self, connection: "redis.Redis", deployment: str, accepting: Channel | None = None, most: int = -1
    ) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment
        own = (keys.stats(deployment), keys.DEPLOYMENTS, turns.own_queue(deployment), keys.TURNS)
        # What every call of the script gets alike.
        self._same = [key.encode() for key in (jobqueue.queues_key(), *own)]
        self._limits = [b"%d" % most, b"%d" % turns.MOST_QUEUED]
        self.most = most
        self._accept = accepting or accepting_channel(connection)

    def accept(
        self,
        job: readyjob.ReadyJob,
        message_id: str,
        received_at: float,
        relayed: Relayed = NOTHING,
    ) -> bool:
        """Queue a delivery and what is to be relayed, unless its message id is known; True if it is new.

        The write is atomic: after an error it happened completely or not at all, and Coder's retry settles which.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it.
            TooManyDeploymentsError: the deployment is unknown, and nothing was written.
        """
        bucket, member = seen.bucket(message_id)
        year = seen.year_of(received_at)
        expires = seen.expiry_of(year)
        name = self.deployment
        taken = self._accept.call(
            [
                keys.seen(name, year, bucket).encode(),
                keys.seen(name, year - 1, bucket).encode(),
                job.key.encode(),
                job.queue_key.encode(),
                *self._same,
                *relayed[0],
            ],
            [
                member,
                b"%d" % expires,
                job.id.encode(),
                b"%.3f" % received_at,
                name.encode(),
                *self._limits,
                job.shared,
                *relayed[1],
                *job.own,
            ],
        )
        if taken < 0:
            raise TooManyDeploymentsError(name)
        return bool(taken)

    def quarantine(self, message_id: str, received_at: float, reason: str, body: bytes, *, keep: bool) -> None:
        """Store an authenticated body that is not a notification, without its text unless `keep` is set.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it; trying again does no harm.
            TooManyDeploymentsError: the deployment is unknown, and nothing was written.
        """
        if not Deployments(self.connection).admit(self.deployment, self.most):
            raise TooManyDeploymentsError(self.deployment)
        key = keys.quarantined(self.deployment, message_id)
        with self.redis.pipeline(transaction=True) as pipe:
            fields: Fields = {"reason": reason, "received_at": received_at, "bytes": len(body)}
            pipe.hset(key, mapping={**fields, "body": body} if keep else fields)
            pipe.expire(key, _QUARANTINE_SECONDS)
            pipe.zadd(keys.quarantine(self.deployment), {message_id: received_at})
            pipe.hincrby(keys.stats(self.deployment), "quarantined", 1)
            pipe.zrange(keys.quarantine(self.deployment), 0, -(QUARANTINE_KEPT + 1))
            oldest = pipe.execute()[-1]
        if oldest:
            ids = [item.decode() for item in oldest]
            self.redis.delete(*(keys.quarantined(self.deployment, item) for item in ids))
            self.redis.zrem(keys.quarantine(self.deployment), *ids)
        self._accept.replicas.confirm(self.connection)

    def remember(self, pipe: Pipeline, rows: Sequence[Remembered], keep_seconds: int) -> None:
        """Write the outcomes of deliveries into a pipeline; writing them again changes nothing."""
        unlisted: dict[str, float] = {}
        for row in rows:
            pipe.set(keys.delivery(self.deployment, row.message_id), compact(row.summary), ex=keep_seconds)
            if row.unlisted_template:
                unlisted[row.unlisted_template] = max(row.received_at, unlisted.get(row.unlisted_template, 0.0))
        pipe.zadd(keys.deliveries(self.deployment), {row.message_id: row.received_at for row in rows})
        if unlisted:
            pipe.zadd(keys.unlisted(self.deployment), unlisted, gt=True)
        newest = max(row.received_at for row in rows)
        # A little more than one batch adds, so that the index shrinks as its entries expire.
        limit = _TRIMMED_AT_ONCE + 2 * len(rows)
        expired = self.redis.zrange(
            keys.deliveries(self.deployment), "-inf", newest - keep_seconds, byscore=True, offset=0, num=limit
        )
        if expired:
            pipe.zrem(keys.deliveries(self.deployment), *expired)

    def delivery(self, message_id: str) -> dict[str, Any] | None:
        """Return the outcome of a delivery; None if it is unknown or expired."""
        text = self.redis.get(keys.delivery(self.deployment, message_id))
        if text is None:
            return Packs(self.connection, self.deployment).find(message_id)
        return dict(json.loads(text))

    def quarantined(self, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest quarantined bodies, without their text."""
        ids = [item.decode() for item in self.redis.zrevrange(keys.quarantine(self.deployment), 0, limit - 1)]
        rows = []
        for message_id in ids:
            reason, received_at, size = self.redis.hmget(
                keys.quarantined(self.deployment, message_id), "reason", "received_at", "bytes"
            )
            if reason is not None and received_at is not None and size is not None:
                rows.append(
                    {
                        "message_id": message_id,
                        "reason": reason.decode(),
                        "received_at": float(received_at),
                        "bytes": int(size),
                    }
                )
        return rows

    def stats(self) -> dict[str, float]:
        return {name.decode(): float(value) for name, value in self.redis.hgetall(keys.stats(self.deployment)).items()}


def accepting_channel(connection: "redis.Redis", replicas: Replicas | None = None) -> Channel:
    return Channel(connection, "accept", replicas)


def deployments(connection: "redis.Redis") -> list[str]:
    """Return the deployments that have posted, sorted."""
    return Deployments(connection).names()
