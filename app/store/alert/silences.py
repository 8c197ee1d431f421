"""Silences and acknowledgements."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import redis
from pydantic import TypeAdapter

from app.core.alert.decision import AlertState
from app.core.alert.silence import Silence
from app.core.stored import Moment, read
from app.store import keys
from app.store.server.commands import commands


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The acknowledgement of an alert's level. A higher level or a new period needs another one.

    Attributes:
        since: when the acknowledged level was reached, to distinguish this occurrence from a later one.
    """

    alert: str
    level: str
    since: datetime | None
    by: str
    at: datetime

    @classmethod
    def read(cls, alert: str, stored: bytes) -> "Acknowledgement":
        """Parse what `Silences.acknowledge` stores under the name of an alert."""
        given = read(_ACKNOWLEDGEMENT, stored)
        return cls(alert, given.level, given.since, given.by, given.at)

    def covers(self, state: AlertState) -> bool:
        """Return whether it covers the level that is firing now, not a lower one or an earlier occurrence."""
        return bool(state.level) and (self.level, self.since) == (state.level, state.since)


@dataclass(frozen=True, slots=True)
class _StoredAcknowledgement:
    """The stored form of an acknowledgement, under the name of its alert."""

    level: str
    at: Moment
    since: Moment | None = None
    by: str = ""


_ACKNOWLEDGEMENT: Final = TypeAdapter(_StoredAcknowledgement)


class Silences:
    """Silences and acknowledgements of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis = commands(connection)
        self.deployment = deployment

    def all(self) -> list[Silence]:
        """Return every stored silence, the one that ends last first."""
        stored = self.redis.hgetall(keys.silences(self.deployment))
        found = [silence for name, item in stored.items() if (silence := self._read(name.decode(), item))]
        return sorted(found, key=lambda silence: (silence.ends_at, silence.id), reverse=True)

    def active(self, now: datetime) -> list[Silence]:
        return [silence for silence in self.all() if silence.active(now)]

    def add(self, silence: Silence) -> None:
        """Store a silence. The same id again changes nothing, so a request can safely be repeated."""
        self.redis.hsetnx(keys.silences(self.deployment), silence.id, json.dumps(silence.as_json()))

    def end(self, silence_id: str, by: str, now: datetime) -> Silence | None:
        """End a silence early; None if the id is unknown."""
        stored = self.redis.hget(keys.silences(self.deployment), silence_id)
        if stored is None:
            return None
        silence = Silence.from_json(stored)
        if not silence.active(now) and silence.ends_at <= now:
            return silence
        ended = replace(silence, ends_at=max(now, silence.starts_at), ended_by=by)
        self.redis.hset(keys.silences(self.deployment), silence_id, json.dumps(ended.as_json()))
        return ended

    def _read(self, silence_id: str, stored: bytes) -> Silence | None:
        """Parse a silence; None if it is unreadable, so that messages are still sent and other silences apply."""
        try:
            return Silence.from_json(stored)
        except ValueError:
            import structlog  # noqa: PLC0415 - slow to import, for what hardly ever happens

            log = structlog.get_logger(__name__)
            log.error("silence is unreadable and has no effect", deployment=self.deployment, silence=silence_id)
            return None

    def forget(self, before: datetime) -> None:
        """Delete silences that ended before a moment."""
        for silence in self.all():
            if silence.ends_at < before:
                self.redis.hdel(keys.silences(self.deployment), silence.id)

    def acknowledge(self, given: Acknowledgement) -> None:
        value = _ACKNOWLEDGEMENT.dump_json(_StoredAcknowledgement(given.level, given.at, given.since, given.by))
        self.redis.hset(keys.acknowledged(self.deployment), given.alert, value)

    def acknowledgement(self, alert: str) -> Acknowledgement | None:
        """Return the last acknowledgement of an alert, whatever its level."""
        stored = self.redis.hget(keys.acknowledged(self.deployment), alert)
        return None if stored is None else Acknowledgement.read(alert, stored)

    def acknowledges(self, alert: str, state: AlertState) -> bool:
        """Return whether the firing level is acknowledged."""
        given = self.acknowledgement(alert)
        return given is not None and given.covers(state)
