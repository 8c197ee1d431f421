"""Silences and acknowledgements: what people said about alerts, and who they are."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import redis

from app.core.decision import AlertState
from app.core.silence import Silence
from app.store import keys


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody knows of an alert's level; a higher level or a new period needs a new one.

    Attributes:
        since: when the acknowledged level was reached, which tells this occurrence from a later one.
    """

    alert: str
    level: str
    since: datetime | None
    by: str
    at: datetime

    @classmethod
    def read(cls, alert: str, stored: bytes) -> "Acknowledgement":
        """Read what `Silences.acknowledge` keeps under the name of an alert."""
        value = json.loads(stored)
        since = datetime.fromisoformat(value["since"]) if value["since"] else None
        return cls(alert, value["level"], since, value["by"], datetime.fromisoformat(value["at"]))

    def covers(self, state: AlertState) -> bool:
        """Tell whether it is of what fires now, and not of a lower level or an earlier occurrence."""
        return bool(state.level) and (self.level, self.since) == (state.level, state.since)


class Silences:
    """Silences and acknowledgements of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis: Any = connection
        self.deployment = deployment

    def all(self) -> list[Silence]:
        """Return every silence that is kept, those that end last first."""
        found = [Silence.from_json(json.loads(item)) for item in self.redis.hvals(keys.silences(self.deployment))]
        return sorted(found, key=lambda silence: (silence.ends_at, silence.id), reverse=True)

    def active(self, now: datetime) -> list[Silence]:
        return [silence for silence in self.all() if silence.active(now)]

    def add(self, silence: Silence) -> None:
        """Keep a silence; the same id again changes nothing, so a request that is repeated does no harm."""
        self.redis.hsetnx(keys.silences(self.deployment), silence.id, json.dumps(silence.as_json()))

    def end(self, silence_id: str, by: str, now: datetime) -> Silence | None:
        """End a silence early; None when there is none with this id."""
        stored = self.redis.hget(keys.silences(self.deployment), silence_id)
        if stored is None:
            return None
        silence = Silence.from_json(json.loads(stored))
        if not silence.active(now) and silence.ends_at <= now:
            return silence
        ended = replace(silence, ends_at=max(now, silence.starts_at), ended_by=by)
        self.redis.hset(keys.silences(self.deployment), silence_id, json.dumps(ended.as_json()))
        return ended

    def forget(self, before: datetime) -> None:
        """Delete silences that ended before a moment."""
        for silence in self.all():
            if silence.ends_at < before:
                self.redis.hdel(keys.silences(self.deployment), silence.id)

    def acknowledge(self, given: Acknowledgement) -> None:
        value = {
            "level": given.level,
            "since": given.since.isoformat() if given.since else None,
            "by": given.by,
            "at": given.at.isoformat(),
        }
        self.redis.hset(keys.acknowledged(self.deployment), given.alert, json.dumps(value))

    def acknowledgement(self, alert: str) -> Acknowledgement | None:
        """Return the last acknowledgement of an alert, of whichever level."""
        stored = self.redis.hget(keys.acknowledged(self.deployment), alert)
        return None if stored is None else Acknowledgement.read(alert, stored)

    def acknowledges(self, alert: str, state: AlertState) -> bool:
        """Tell whether somebody acknowledged what fires now."""
        given = self.acknowledgement(alert)
        return given is not None and given.covers(state)
