"""Relayed messages: the lanes they wait in, the outcome for each target, and the sealed original while it is needed.

A message is accepted and added to its lanes in one step (app/store/scripts/accept.lua). One worker at a time processes
a lane, under a claim that ends at the time stored in the set of lanes; if the worker dies, the scheduler finds the lane
overdue. So each message is delivered at least once. It is delivered twice only if the worker dies after the target's
answer and before recording it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import redis

from app.core.relay.target import Lane, Parcel, forward_name, is_passcode, target_of
from app.store import keys
from app.store.rq import jobqueue, plainjob
from app.store.rq.plainjob import PlainJob
from app.store.rq.readyjob import ReadyJob, ready_job
from app.store.server.commands import commands
from app.store.server.connection import script

#: The keys and the arguments that `accept` needs for what a delivery relays.
Relayed = tuple[list[bytes], list[bytes]]
NOTHING: Final[Relayed] = ([], [b"", b""])
SENT: Final = "sent"
FAILED: Final = "failed"
PENDING: Final = "pending"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The next message to deliver.

    Attributes:
        since: the start of its attempts, in seconds since the epoch: its arrival, or its replay.
        attempts: the number of attempts, including this one.
        failures: consecutive failures of the lane's first message.
        sealed: the original; None if it has been deleted.
    """

    message_id: str
    since: float
    attempts: int
    failures: int
    passcode: bool
    sealed: bytes | None


class Relays:
    """The relayed messages of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment

    def accept_parts(self, parcel: Parcel, received_at: float, keep_seconds: int) -> Relayed:
        """Return the keys and the two arguments with which `accept` adds a message to its lanes."""
        name, message_id = self.deployment, parcel.message_id
        found = [
            keys.relay_original(name, message_id),
            keys.relay_message(name, message_id),
            keys.relay_messages(name),
            keys.relay_lanes(name),
            keys.relay_targets(name),
        ]
        fields: list[Any] = ["template", parcel.template, "received_at", f"{received_at:.3f}"]
        fields += ["open", str(len(parcel.lanes)), "passcode", "1" if parcel.passcode else ""]
        lanes = []
        for lane in parcel.lanes:
            job = _job(name, lane, message_id)
            found += [keys.relay_lane(name, lane.name), keys.relay_pending(name, lane.target), job.key, job.queue_key]
            fields += [f"{lane.target}/state", PENDING, f"{lane.target}/lane", lane.name]
            texts = [field.decode() if isinstance(field, bytes) else field for field in job.fields]
            lanes.append({"target": lane.target, "lane": lane.name, "id": job.id, "job": texts})
        plan = {
            "id": message_id,
            "keep": str(parcel.keep_seconds),
            "expire": str(keep_seconds),
            "fields": fields,
            "lanes": lanes,
        }
        return [key.encode() for key in found], [json.dumps(plan).encode(), parcel.sealed]

    def due(self, before: datetime, most: int = 500) -> list[tuple[str, float]]:
        """Return lanes that were due before a moment, each with the time at which it was due."""
        found = self.redis.zrange(
            keys.relay_lanes(self.deployment),
            "-inf",
            before.timestamp(),
            byscore=True,
            offset=0,
            num=most,
            withscores=True,
        )
        return [(lane.decode(), at) for lane, at in found]

    def claim(self, lane: str, now: datetime, until: datetime) -> bool:
        """Claim a lane until a moment; False if another worker has it, or it is not due."""
        return bool(
            script(self.connection, "laneclaim")(
                keys=[
                    keys.relay_lanes(self.deployment),
                    keys.relay_lane(self.deployment, lane),
                    keys.relay_held(self.deployment),
                ],
                args=[lane, now.timestamp(), until.timestamp()],
            )
        )

    def leave(self, lane: str, held_until: datetime, due: datetime) -> bool:
        """Release a lane; True if messages wait in it, which are then due at the given time."""
        return bool(
            script(self.connection, "laneleave")(
                keys=[
                    keys.relay_lanes(self.deployment),
                    keys.relay_lane(self.deployment, lane),
                    keys.relay_held(self.deployment),
                    keys.relay_failing(self.deployment),
                ],
                args=[lane, held_until.timestamp(), due.timestamp()],
            )
        )

    def first(self, lane: str) -> Waiting | None:
        """Begin an attempt at the first message of a lane; None if the lane is empty.

        The attempt is counted before it is made, so that one that kills its worker is counted, too.
        """
        found = self.redis.lindex(keys.relay_lane(self.deployment, lane), 0)
        if found is None:
            return None
        message_id, target = found.decode(), target_of(lane)
        key = keys.relay_message(self.deployment, message_id)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hmget(key, "received_at", f"{target}/since", "passcode", f"{target}/state", f"{target}/attempts")
            pipe.hget(keys.relay_failing(self.deployment), lane)
            pipe.get(keys.relay_original(self.deployment, message_id))
            (received_at, again, passcode, state, attempts), failures, sealed = pipe.execute()
        if state != PENDING.encode():  # ended or expired: only the entry is left
            sealed = None
        else:
            self.redis.hincrby(key, f"{target}/attempts", 1)
        since = float(again or received_at or 0)
        return Waiting(message_id, since, int(attempts or 0) + 1, int(failures or 0), bool(passcode), sealed)

    def uncount(self, lane: str, message_id: str) -> None:
        """Take back an attempt that was postponed instead of made."""
        self.redis.hincrby(keys.relay_message(self.deployment, message_id), f"{target_of(lane)}/attempts", -1)

    def waiting_in(self, lane: str, most: int) -> list[tuple[str, bytes | None]]:
        """Return the first messages of a lane, each with its sealed original, or None if that has been deleted."""
        ids = [one.decode() for one in self.redis.lrange(keys.relay_lane(self.deployment, lane), 0, most - 1)]
        originals = self.redis.mget([keys.relay_original(self.deployment, one) for one in ids]) if ids else []
        return list(zip(ids, originals, strict=True))

    def originals(self, message_ids: Sequence[str]) -> list[tuple[str, bytes]]:
        """Return the messages whose sealed originals still exist, with the originals."""
        names = [keys.relay_original(self.deployment, one) for one in message_ids]
        found = self.redis.mget(names) if names else []
        return [(one, sealed) for one, sealed in zip(message_ids, found, strict=True) if sealed is not None]

    def forget_original(self, message_id: str) -> None:
        self.redis.delete(keys.relay_original(self.deployment, message_id))

    def end(
        self, lane: str, message_id: str, state: str, reason: str, now: datetime, *, via: str = "", replayable: bool
    ) -> None:
        """Record that a message was delivered to a lane's target, or failed.

        Args:
            lane: the lane in which it waits.
            message_id: its id.
            state: SENT or FAILED.
            reason: the reason, without personal data.
            now: the current time.
            via: the method used, such as `email`.
            replayable: whether the original of a failed message is kept until it expires.
        """
        name, target = self.deployment, target_of(lane)
        script(self.connection, "relayend")(
            keys=[
                keys.relay_message(name, message_id),
                keys.relay_lane(name, lane),
                keys.relay_pending(name, target),
                keys.relay_original(name, message_id),
                keys.relay_failed(name, target),
                keys.relay_stats(name),
                keys.relay_failing(name),
            ],
            args=[message_id, target, state, reason, f"{now.timestamp():.3f}", lane, via, "1" if replayable else ""],
        )

    def note_failure(self, lane: str, message_id: str, kind: str, reason: str, now: datetime) -> None:
        """Record a failed attempt that will be repeated."""
        name, target = self.deployment, target_of(lane)
        key = keys.relay_message(name, message_id)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hincrby(keys.relay_failing(name), lane, 1)
            pipe.hincrby(keys.relay_stats(name), f"{target} error {kind}", 1)
            pipe.hset(keys.relay_stats(name), f"{target} last", json.dumps([now.timestamp(), reason]))
            pipe.hset(key, mapping={f"{target}/reason": reason, f"{target}/at": f"{now.timestamp():.3f}"})
            pipe.execute()

    def again(self, message_id: str, target: str, now: datetime) -> int:
        """Retry a failed message: 1 if it waits again, 0 if it has not failed, -1 if its original no longer exists."""
        name = self.deployment
        stored = self.redis.hget(keys.relay_message(name, message_id), f"{target}/lane")
        if stored is None:
            return 0
        lane = Lane(target, stored.decode())
        job = _job(name, lane, f"{message_id} {now.timestamp()}")
        return int(
            script(self.connection, "relayagain")(
                keys=[
                    keys.relay_message(name, message_id),
                    keys.relay_lane(name, lane.name),
                    keys.relay_pending(name, target),
                    keys.relay_original(name, message_id),
                    keys.relay_failed(name, target),
                    keys.relay_lanes(name),
                    job.key,
                    job.queue_key,
                    jobqueue.queues_key(),
                ],
                args=[message_id, target, lane.name, now.timestamp(), job.id, *job.fields],
            )
        )

    def hurry(self, lanes: Sequence[str], now: datetime) -> None:
        """Make waiting lanes due now."""
        for lane in lanes:
            self.redis.zadd(keys.relay_lanes(self.deployment), {lane: now.timestamp()}, xx=True)


def _queue_of(lane: str) -> str:
    if is_passcode(lane):
        return jobqueue.PASSCODES
    return jobqueue.RELAY if forward_name(lane) is None else jobqueue.FORWARD


def lane_job(deployment: str, lane: str, occasion: str) -> PlainJob:
    return plainjob.lane_job(deployment, lane, occasion, _queue_of(lane))


def _job(deployment: str, lane: Lane, occasion: str) -> ReadyJob:
    """Build the job of a lane for a script that saves a message and queues the job in one step."""
    job = lane_job(deployment, lane.name, occasion)
    return ready_job(job.id, job.queue, job.function, job.args, job.description)
