"""Alert states, their last announcements and their events. A change and its notifications are written in one step."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import redis

from app.core.alert.alert import Alert, Notification
from app.core.alert.decision import AlertState, Reason
from app.core.text.compact import compact
from app.store import keys
from app.store.alert.outbox import outbox_args, outbox_keys, queue_all
from app.store.server.commands import commands
from app.store.server.connection import script
from app.store.timeline import behind

_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """The new state of an alert.

    Attributes:
        alert: what to announce; None for nothing.
        because: one sentence with the cause.
        notifications: the messages that announce it.
        actor: the person who caused the change; empty if it was automatic.
    """

    state: AlertState
    decided_at: datetime
    alert: Alert | None = None
    because: str = ""
    notifications: Sequence[Notification] = field(default=())
    actor: str = ""


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as stored in Redis, read only when needed, so that an unreadable one does not affect others."""

    name: str
    version: int
    stored_state: bytes
    stored_words: bytes | None

    @property
    def state(self) -> AlertState:
        return AlertState.from_json(self.stored_state)

    @property
    def last(self) -> Alert | None:
        """The last announcement; None if there was none."""
        return Alert.from_json(self.stored_words) if self.stored_words else None


class Alerts:
    """Alert states of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment
        self._announce = script(connection, "announce")

    def state(self, name: str) -> tuple[int, AlertState]:
        """Return the version and the state of an alert."""
        version, state = self.redis.hmget(keys.alert(self.deployment, name), "v", "s")
        return int(version or 0), AlertState.from_json(state or b"{}")

    def read(self, name: str) -> StoredAlert:
        """Return the stored form of an alert."""
        return self.states([name])[name]

    def states(self, names: Sequence[str]) -> dict[str, StoredAlert]:
        """Return the stored form of many alerts, by name, with one round trip per thousand."""
        found: dict[str, StoredAlert] = {}
        for start in range(0, len(names), _AT_ONCE):
            chunk = names[start : start + _AT_ONCE]
            with self.redis.pipeline(transaction=False) as pipe:
                for name in chunk:
                    pipe.hmget(keys.alert(self.deployment, name), "v", "s", "a")
                rows = pipe.execute()
            found |= {
                name: StoredAlert(name, int(version or 0), state or b"{}", words)
                for name, (version, state, words) in zip(chunk, rows, strict=True)
            }
        return found

    def last(self, name: str) -> Alert | None:
        """Return the last announcement of an alert."""
        stored = self.redis.hget(keys.alert(self.deployment, name), "a")
        return Alert.from_json(stored) if stored else None

    def firing(self, prefix: str = "") -> list[str]:
        """Return the names with this prefix of alerts that are announced and not resolved."""
        names = [member.decode() for member in self.redis.smembers(keys.firing(self.deployment))]
        return sorted(name for name in names if name.startswith(prefix))

    def announce(self, name: str, version: int, change: Change) -> bool:
        """Change the state and add its notifications to the outbox, all or nothing; then queue them.

        Returns:
            False if another process changed the state first.
        """
        event = _event(name, version, change, change.alert) if change.alert else ""
        args: list[Any] = [version, json.dumps(change.state.as_json()), change.decided_at.timestamp(), name]
        args += [int(bool(change.state.level)), event, *outbox_args(self.deployment, change.notifications)]
        # An escalation is an event, but the last announcement stays, so that it can still be acknowledged.
        news = change.alert if change.alert and change.alert.reason is not Reason.UNACKNOWLEDGED else None
        words = compact(news.as_json()) if news else ""
        done = self._announce(
            keys=[keys.alert(self.deployment, name), *outbox_keys(self.deployment)], args=[*args, words]
        )
        if done:
            queue_all(self.connection, self.deployment, change.notifications)
        return bool(done)

    def stored(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the stored fields of alerts, to put them back after a loss of Redis."""
        found = self.states(names)
        return {
            name: {"v": str(one.version), "s": one.stored_state.decode(), "a": (one.stored_words or b"").decode()}
            for name, one in found.items()
        }

    def put_back(self, name: str, fields: Mapping[str, str]) -> bool:
        """Put back what `stored` returned; False if what is stored is as new."""
        restore = script(self.connection, "putback")
        args = [fields["v"], fields["s"], fields.get("a", ""), name]
        return bool(restore(keys=[keys.alert(self.deployment, name), keys.firing(self.deployment)], args=args))

    def events(self, limit: int = 50, before: float = float("inf")) -> list[dict[str, Any]]:
        """Return the events of alerts before a moment (epoch seconds), newest first."""
        found = behind(self.connection, keys.alert_events(self.deployment), None, limit, below=before)
        return [json.loads(member) for member, _ in found]

    def forget_events(self, before: float) -> None:
        self.redis.zremrangebyscore(keys.alert_events(self.deployment), "-inf", before)


def _event(name: str, version: int, change: Change, alert: Alert) -> str:
    return compact(
        {
            "at": change.decided_at.timestamp(),
            "alert": name,
            "change": version + 1,
            "kind": alert.kind.value,
            "meter": alert.meter,
            "scope": alert.scope,
            "reason": alert.reason.value,
            "level": alert.level,
            "previous": alert.previous,
            "because": change.because or alert.summary,
            "headline": alert.headline,
            "used": alert.used,
            "limit": alert.limit,
            "actor": change.actor,
            "notifications": [notification.id for notification in change.notifications],
        }
    )
