"""Single bodies in the quarantine; `app/store/receive/inbox.py` adds and lists them."""

from dataclasses import dataclass
from datetime import datetime

import redis

from app import clock
from app.store import keys
from app.store.server.commands import commands


@dataclass(frozen=True, slots=True)
class QuarantinedBody:
    """A body that was authenticated but is not a notification.

    Attributes:
        body: None if it may have contained a secret and was not stored.
    """

    message_id: str
    received_at: datetime
    reason: str
    size: int
    body: bytes | None


class Quarantine:
    """The quarantine of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis = commands(connection)
        self.deployment = deployment

    def find(self, message_id: str) -> QuarantinedBody | None:
        key = keys.quarantined(self.deployment, message_id)
        reason, received_at, size, body = self.redis.hmget(key, "reason", "received_at", "bytes", "body")
        if reason is None or received_at is None or size is None:
            return None
        return QuarantinedBody(message_id, clock.at(float(received_at)), reason.decode(), int(size), body)

    def count_since(self, moment: datetime) -> int:
        """Return the number of quarantined bodies that arrived since a moment and have not expired."""
        return int(self.redis.zcount(keys.quarantine(self.deployment), moment.timestamp(), "+inf"))

    def remove(self, message_id: str) -> bool:
        """Delete a body; True if it was there."""
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.quarantined(self.deployment, message_id))
            pipe.zrem(keys.quarantine(self.deployment), message_id)
            return any(pipe.execute())
