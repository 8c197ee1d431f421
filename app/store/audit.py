"""The audit trail: who did what."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import redis

from app import clock
from app.store import keys
from app.store.server.commands import commands

#: Entries kept for each deployment, about 200 bytes each.
KEPT: Final = 2000
_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of one person."""

    at: datetime
    actor: str
    action: str
    detail: str


class Audit:
    """The audit trail of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis = commands(connection)
        self._key = keys.audit(deployment)

    def write(self, actor: str, action: str, detail: str) -> None:
        """Append an entry and remove the oldest. Texts are cut to 500 characters, without control characters.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm it.
        """
        fields = {"actor": _plain(actor), "action": _plain(action), "detail": _plain(detail)}
        self.redis.xadd(self._key, {"at": repr(clock.now().timestamp()), **fields}, maxlen=KEPT, approximate=False)

    def forget(self, before: datetime) -> None:
        """Remove entries from before a moment; an entry's id begins with its time in milliseconds."""
        self.redis.xtrim(self._key, minid=f"{before.timestamp() * 1000:.0f}", approximate=False)

    def newest(self, limit: int) -> list[AuditEntry]:
        """Return the newest entries, newest first."""
        return list(self._entries(limit)) if limit > 0 else []

    def _entries(self, limit: int) -> Iterator[AuditEntry]:
        for _id, fields in self.redis.xrevrange(self._key, count=limit):
            text = {name.decode(): value.decode() for name, value in fields.items()}
            yield AuditEntry(clock.at(float(text["at"])), text["actor"], text["action"], text["detail"])


def _plain(text: str) -> str:
    cleaned = "".join(character if character.isprintable() else " " for character in text)
    return cleaned if len(cleaned) <= _LONGEST else cleaned[: _LONGEST - 1] + "…"
