"""Alert states, and the outbox of notifications that belong to them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import redis

from app import jobqueue
from app.core.alert import Alert, Notification
from app.core.threshold import AlertState
from app.store import keys
from app.store.connection import script
from app.store.outqueue import enqueue

PENDING: Final = "pending"
SENT: Final = "sent"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A notification that this job alone may send now.

    Attributes:
        number: 1 for the first attempt.
    """

    notification: Notification
    number: int


class Alerts:
    """Alert states and notifications of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis: Any = connection
        self.deployment = deployment
        self._announce = script(connection, "announce")
        self._claim = script(connection, "claim")

    def state(self, meter: str) -> tuple[int, AlertState]:
        """Return the version and the state of a meter's alert."""
        version, state = self.redis.hmget(keys.alert(self.deployment, meter), "v", "s")
        return int(version or 0), AlertState.from_json(json.loads(state or b"{}"))

    def firing(self, prefix: str) -> list[str]:
        """Return the names of alerts with this prefix that are announced and not resolved."""
        names = [member.decode() for member in self.redis.smembers(keys.firing(self.deployment))]
        return sorted(name for name in names if name.startswith(prefix))

    def announce(
        self, meter: str, version: int, state: AlertState, notifications: Sequence[Notification], decided_at: datetime
    ) -> bool:
        """Change the state and queue its notifications, all or nothing; False when somebody else was faster."""
        firing = int(bool(state.level))
        args: list[Any] = [version, json.dumps(state.as_json()), decided_at.timestamp(), meter, firing]
        args.append(len(notifications))
        for notification in notifications:
            job = jobqueue.notification_job(self.deployment, notification.id)
            fields = _fields(notification)
            args += [notification.id, keys.notification(self.deployment, notification.id), job.id, job.key]
            args += [len(fields), *fields, len(job.fields), *job.fields]
        return bool(
            self._announce(
                keys=[
                    keys.alert(self.deployment, meter),
                    keys.pending(self.deployment),
                    keys.notifications(self.deployment),
                    jobqueue.queue_key(jobqueue.NOTIFICATIONS),
                    jobqueue.queues_key(),
                    keys.firing(self.deployment),
                ],
                args=args,
            )
        )

    def claim(self, notification_id: str, now: datetime, seconds: float) -> Attempt | None:
        """Take a pending notification for one attempt; None when it is done or another job holds it."""
        moment = now.timestamp()
        flat = self._claim(
            keys=[keys.notification(self.deployment, notification_id), keys.pending(self.deployment)],
            args=[moment, moment + seconds, notification_id],
        )
        if not flat:
            return None
        found = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}
        notification = Notification(
            notification_id,
            found["receiver"],
            datetime.fromtimestamp(float(found["decided_at"]), UTC),
            Alert.from_json(json.loads(found["alert"])),
        )
        return Attempt(notification, int(found["attempts"]))

    def mark_sent(self, notification_id: str, at: datetime) -> None:
        self._finish(notification_id, {"state": SENT, "sent_at": at.timestamp(), "error": ""})

    def mark_failed(self, notification_id: str, error: str) -> None:
        self._finish(notification_id, {"state": FAILED, "error": error})

    def mark_retry(self, notification_id: str, error: str, next_attempt_at: float) -> None:
        """Give the claim back and note when the next attempt is due."""
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.notification(self.deployment, notification_id), mapping={"error": error, "claimed_until": 0})
            pipe.zadd(keys.pending(self.deployment), {notification_id: next_attempt_at})
            pipe.execute()

    def overdue(self, before: datetime) -> list[str]:
        """Return pending notifications whose next attempt should have been made by then."""
        found = self.redis.zrange(keys.pending(self.deployment), "-inf", before.timestamp(), byscore=True)
        return [item.decode() for item in found]

    def enqueue_again(self, notification_id: str) -> bool:
        """Queue the sending of a notification whose job was lost; False when the job is still under way."""
        job = jobqueue.notification_job(self.deployment, notification_id)
        return enqueue(self.redis, job)

    def history(self, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest notifications with state, attempts and error."""
        ids = [item.decode() for item in self.redis.zrevrange(keys.notifications(self.deployment), 0, limit - 1)]
        with self.redis.pipeline(transaction=False) as pipe:
            for notification_id in ids:
                pipe.hgetall(keys.notification(self.deployment, notification_id))
            rows = pipe.execute()
        return [_history_row(notification_id, row) for notification_id, row in zip(ids, rows, strict=True) if row]

    def _finish(self, notification_id: str, fields: Mapping[str, Any]) -> None:
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.notification(self.deployment, notification_id), mapping={**fields, "claimed_until": 0})
            pipe.zrem(keys.pending(self.deployment), notification_id)
            pipe.execute()


def _fields(notification: Notification) -> list[Any]:
    return [
        "receiver",
        notification.receiver,
        "alert",
        json.dumps(notification.alert.as_json(), separators=(",", ":")),
        "decided_at",
        notification.decided_at.timestamp(),
        "state",
        PENDING,
        "attempts",
        0,
    ]


def _history_row(notification_id: str, row: Mapping[bytes, bytes]) -> dict[str, Any]:
    text = {name.decode(): value.decode() for name, value in row.items()}
    alert = json.loads(text["alert"])
    return {
        "id": notification_id,
        "receiver": text["receiver"],
        "state": text["state"],
        "attempts": int(text["attempts"]),
        "error": text.get("error") or None,
        "decided_at": float(text["decided_at"]),
        "sent_at": float(text["sent_at"]) if "sent_at" in text else None,
        "headline": alert["headline"],
        "reason": alert["reason"],
        "level": alert["level"],
    }
