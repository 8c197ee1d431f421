"""The outbox: notifications from the decision until they are sent, failed, held or dropped, with the reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import redis
from pydantic import TypeAdapter
from redis.client import Pipeline

from app.core.alert.alert import Notification
from app.core.alert.handle import Handle
from app.core.stored import read
from app.store import keys
from app.store.alert import tallies
from app.store.alert.notificationrow import at, history_row, notification_fields, read_notification
from app.store.rq import plainjob
from app.store.rq.enqueue import enqueue
from app.store.server.commands import Fields, commands
from app.store.server.connection import script
from app.store.timeline import behind

SENT: Final = "sent"
FAILED: Final = "failed"
_PRUNED_AT_ONCE: Final = 500
_HANDLE: Final = TypeAdapter(Handle)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A notification that only this job may send now.

    Attributes:
        number: 1 for the first attempt.
        tried_since: the time of the first attempt; waiting for quiet hours does not count as one.
        held: whether it has waited for the end of quiet hours or a silence.
        newest: whether it is the newest message about its alert for this receiver.
        overtaken: whether a newer one has already reached the receiver.
    """

    notification: Notification
    number: int
    tried_since: datetime
    held: bool = False
    newest: bool = True
    overtaken: bool = False


class Outbox:
    """The notifications of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment
        self._announce = script(connection, "announce")
        self._claim = script(connection, "claim")

    def add(self, notifications: Sequence[Notification], at: datetime) -> None:
        """Add notifications without a change of state, and queue them; existing ones stay unchanged."""
        args = ["", "", at.timestamp(), "", 0, "", *outbox_args(self.deployment, notifications), ""]
        self._announce(keys=["", *outbox_keys(self.deployment)], args=args)
        queue_all(self.connection, self.deployment, notifications)

    def claim(self, notification_id: str, now: datetime, seconds: float) -> Attempt | None:
        """Claim a pending notification for one attempt; None if it has ended or another job has it."""
        moment = now.timestamp()
        flat = self._claim(
            keys=[keys.notification(self.deployment, notification_id), keys.pending(self.deployment)],
            args=[moment, moment + seconds, notification_id],
        )
        if not flat:
            return None
        found = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}
        notification = read_notification(notification_id, found)
        newest = self._newest(notification)
        return Attempt(
            notification,
            int(found["attempts"]),
            at(found.get("tried_at") or moment),
            held=bool(found.get("held")),
            newest=newest == notification_id,
            overtaken=newest != notification_id and self._state(newest) == SENT,
        )

    def thread(self, receiver: str, group_key: str) -> Handle | None:
        """Return the handle of a thread's first message at a receiver."""
        stored = self.redis.hget(keys.threads(self.deployment), f"{receiver} {group_key}")
        return read(_HANDLE, stored) if stored else None

    def mark_sent(self, notification: Notification, at: datetime, handle: Handle | None = None) -> None:
        """Record that a receiver accepted it, and the handle for its thread."""
        with self.redis.pipeline(transaction=True) as pipe:
            if handle:
                thread = f"{notification.receiver} {notification.alert.group_key}"
                pipe.hset(keys.threads(self.deployment), thread, _HANDLE.dump_json(handle))
            self._end(pipe, notification.id, {"state": SENT, "sent_at": at.timestamp(), "error": "", "held": ""})
            tallies.ended(pipe, self.deployment, notification.receiver, SENT, at.timestamp())
            pipe.execute()

    def mark_failed(self, notification_id: str, error: str) -> None:
        self.drop(notification_id, FAILED, error)

    def drop(self, notification_id: str, state: str, why: str) -> None:
        """End a notification without sending it: failed, silenced, superseded or dry-run."""
        receiver = self.redis.hget(keys.notification(self.deployment, notification_id), "receiver")
        with self.redis.pipeline(transaction=True) as pipe:
            self._end(pipe, notification_id, {"state": state, "error": why, "held": ""})
            if receiver is not None:
                tallies.ended(pipe, self.deployment, receiver.decode(), state)
            pipe.execute()

    def mark_retry(self, notification_id: str, error: str, next_attempt_at: float) -> None:
        """Release the claim, and record when the next attempt is due."""
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.notification(self.deployment, notification_id), mapping={"error": error, "claimed_until": 0})
            pipe.zadd(keys.pending(self.deployment), {notification_id: next_attempt_at})
            pipe.execute()

    def hold(self, notification_id: str, why: str, until: datetime) -> None:
        """Release the claim without counting an attempt; the sweep queues it again when it is due."""
        key = keys.notification(self.deployment, notification_id)
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(key, mapping={"held": why, "held_until": until.timestamp(), "claimed_until": 0})
            pipe.hincrby(key, "attempts", -1)
            pipe.hdel(key, "tried_at")
            pipe.zadd(keys.pending(self.deployment), {notification_id: until.timestamp()})
            pipe.execute()

    def overdue(self, before: datetime) -> list[str]:
        """Return pending notifications whose next attempt was due before a moment."""
        found = self.redis.zrange(keys.pending(self.deployment), "-inf", before.timestamp(), byscore=True)
        return [item.decode() for item in found]

    def waiting(self) -> int:
        return int(self.redis.zcard(keys.pending(self.deployment)))

    def reconsider_held(self, now: datetime) -> None:
        """Have the next sweep check held notifications, because a silence ended early or quiet hours changed."""
        members = [item.decode() for item in self.redis.zrange(keys.pending(self.deployment), 0, -1)]
        for member in members:
            if self.redis.hget(keys.notification(self.deployment, member), "held"):
                self.redis.zadd(keys.pending(self.deployment), {member: now.timestamp() - 60}, xx=True)

    def enqueue_again(self, notification_id: str) -> bool:
        """Queue a notification whose job was lost; False if the job is still queued or running."""
        return enqueue(self.connection, plainjob.notification_job(self.deployment, notification_id))

    def history(self, limit: int = 50, before: float = float("inf")) -> list[dict[str, Any]]:
        """Return notifications decided before a moment (epoch seconds), newest first."""
        found = behind(self.connection, keys.notifications(self.deployment), None, limit, below=before)
        ids = [notification_id for notification_id, _ in found]
        with self.redis.pipeline(transaction=False) as pipe:
            for notification_id in ids:
                pipe.hgetall(keys.notification(self.deployment, notification_id))
            rows = pipe.execute()
        return [history_row(notification_id, row) for notification_id, row in zip(ids, rows, strict=True) if row]

    def forget(self, before: float) -> None:
        """Delete notifications decided before a moment, a bounded number at a time; pending ones are kept."""
        kept = gone = 0
        while gone < _PRUNED_AT_ONCE:
            found = self.redis.zrange(
                keys.notifications(self.deployment),
                "-inf",
                f"({before!r}",
                byscore=True,
                offset=kept,
                num=_PRUNED_AT_ONCE,
            )
            if not found:
                return
            pending = self.redis.zmscore(keys.pending(self.deployment), found)
            # A notification that has ended never becomes pending again, so nothing is deleted that is still needed.
            ended = [item.decode() for item, next_at in zip(found, pending, strict=True) if next_at is None]
            kept, gone = kept + len(found) - len(ended), gone + len(ended)
            if ended:
                with self.redis.pipeline(transaction=True) as pipe:
                    pipe.delete(*(keys.notification(self.deployment, item) for item in ended))
                    pipe.zrem(keys.notifications(self.deployment), *ended)
                    pipe.execute()

    def _newest(self, notification: Notification) -> str:
        field = newest_field(notification)
        stored = self.redis.hget(keys.newest(self.deployment), field)
        return stored.decode() if stored else notification.id

    def _state(self, notification_id: str) -> str:
        stored = self.redis.hget(keys.notification(self.deployment, notification_id), "state")
        return stored.decode() if stored else ""

    def _end(self, pipe: Pipeline, notification_id: str, fields: Fields) -> None:
        pipe.hset(keys.notification(self.deployment, notification_id), mapping={**fields, "claimed_until": 0})
        pipe.zrem(keys.pending(self.deployment), notification_id)


def newest_field(notification: Notification) -> str:
    return f"{notification.receiver} {notification.alert.name}"


def queue_all(connection: "redis.Redis", deployment: str, notifications: Sequence[Notification]) -> None:
    """Queue the sending of notifications in the outbox.

    If the process dies before all are queued, the sweep finds the others overdue and queues them.
    """
    for notification in notifications:
        enqueue(connection, plainjob.notification_job(deployment, notification.id))


def outbox_keys(deployment: str) -> list[str]:
    """Return the keys that the script `announce` expects after those of the alert."""
    return [
        keys.pending(deployment),
        keys.notifications(deployment),
        keys.firing(deployment),
        keys.alert_events(deployment),
        keys.newest(deployment),
    ]


def outbox_args(deployment: str, notifications: Iterable[Notification]) -> list[Any]:
    """Return the arguments of the script `announce` for notifications: their number, then each one."""
    listed = list(notifications)
    args: list[Any] = [len(listed)]
    for notification in listed:
        fields = notification_fields(notification)
        args += [notification.id, keys.notification(deployment, notification.id), newest_field(notification)]
        args += [len(fields), *fields]
    return args
