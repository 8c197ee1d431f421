"""Relayed messages: where each waits, the outcome of it for each target, and its sealed original while it is needed.

A message is accepted and put into its lanes in one step (app/store/scripts/accept.lua). A lane is worked through by one
worker at a time, which holds it until a moment that stands in the set of lanes; if it dies, the scheduler finds it
overdue. So each message is delivered at least once, and doubled only by a death between the answer of the other side
and the note of it.
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

#: The keys and arguments that accepting a delivery takes along for what is relayed of it.
Relayed = tuple[list[bytes], list[bytes]]
NOTHING: Final[Relayed] = ([], [b"", b""])
SENT: Final = "sent"
FAILED: Final = "failed"
PENDING: Final = "pending"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The message to deliver next.

    Attributes:
        since: from when on it is tried, in seconds since the epoch: its arrival, or its replay.
        attempts: how often it was tried, this time included.
        failures: how often in a row the lane's first message could not be delivered.
        sealed: the original; None where it is gone.
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
        """Return the keys and the two arguments with which `accept` puts a message into its lanes."""
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
        """Return lanes that a worker should have turned to by then, with the time from which on."""
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
        """Take a lane into this worker's hands until a moment; False where another has it, or it waits for its time."""
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
        """Give a lane out of hands; True when messages wait in it, which are due from a moment on."""
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
        """Begin an attempt at the first message of a lane; None where none waits.

        The attempt is counted before it is made, so that one that kills its worker is counted as well.
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
        if state != PENDING.encode():  # done, or forgotten: only the entry is left
            sealed = None
        else:
            self.redis.hincrby(key, f"{target}/attempts", 1)
        since = float(again or received_at or 0)
        return Waiting(message_id, since, int(attempts or 0) + 1, int(failures or 0), bool(passcode), sealed)

    def uncount(self, lane: str, message_id: str) -> None:
        """Record that an attempt was not made but postponed."""
        self.redis.hincrby(keys.relay_message(self.deployment, message_id), f"{target_of(lane)}/attempts", -1)

    def waiting_in(self, lane: str, most: int) -> list[tuple[str, bytes | None]]:
        """Return the first messages of a lane, each with its sealed original, None where that is gone."""
        ids = [one.decode() for one in self.redis.lrange(keys.relay_lane(self.deployment, lane), 0, most - 1)]
        originals = self.redis.mget([keys.relay_original(self.deployment, one) for one in ids]) if ids else []
        return list(zip(ids, originals, strict=True))

    def originals(self, message_ids: Sequence[str]) -> list[tuple[str, bytes]]:
        """Return those of the messages whose sealed originals are kept."""
        names = [keys.relay_original(self.deployment, one) for one in message_ids]
        found = self.redis.mget(names) if names else []
        return [(one, sealed) for one, sealed in zip(message_ids, found, strict=True) if sealed is not None]

    def forget_original(self, message_id: str) -> None:
        self.redis.delete(keys.relay_original(self.deployment, message_id))

    def end(
        self, lane: str, message_id: str, state: str, reason: str, now: datetime, *, via: str = "", replayable: bool
    ) -> None:
        """Note that a message is delivered to a lane's target, or failed.

        Args:
            lane: where it waits.
            message_id: its id.
            state: SENT or FAILED.
            reason: why; nothing personal.
            now: the moment.
            via: by what it went, such as `email`.
            replayable: where it failed, its original stays until it expires.
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
        """Note that an attempt failed and will be repeated."""
        name, target = self.deployment, target_of(lane)
        key = keys.relay_message(name, message_id)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hincrby(keys.relay_failing(name), lane, 1)
            pipe.hincrby(keys.relay_stats(name), f"{target} error {kind}", 1)
            pipe.hset(keys.relay_stats(name), f"{target} last", json.dumps([now.timestamp(), reason]))
            pipe.hset(key, mapping={f"{target}/reason": reason, f"{target}/at": f"{now.timestamp():.3f}"})
            pipe.execute()

    def again(self, message_id: str, target: str, now: datetime) -> int:
        """Have a failed message retried: 1 when it waits again, 0 when it did not fail, -1 without original."""
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
