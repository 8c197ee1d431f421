"""Failed steps of the sweep: since when, with which error, and whether they have succeeded since."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from app.store import keys
from app.store.server.commands import commands


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure of a step.

    Attributes:
        step: its name, such as `escalate` or `warn awb`.
        since, at: the first and the last of the consecutive failures.
        error: the type of the error and the place in the code. Its message is left out, because it may contain stored
            data.
        over_at: when the step succeeded again; None while it is failing.
    """

    step: str
    since: datetime
    at: datetime
    error: str
    over_at: datetime | None = None


class Steps:
    """The failed steps of one deployment's sweep."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis = commands(connection)
        self.deployment = deployment

    def failures(self) -> dict[str, Failure]:
        """Return the last failure by step, for every step that has failed and still exists."""
        found = self.redis.hgetall(keys.failures(self.deployment))
        read = (_failure(name.decode(), value) for name, value in found.items())
        return {failure.step: failure for failure in read if failure}

    def failed(self, step: str, error: str, at: datetime) -> None:
        """Record a failure; for consecutive failures `since` is that of the first."""
        stored = self.redis.hget(keys.failures(self.deployment), step)
        last = _failure(step, stored) if stored else None
        since = last.since if last and last.over_at is None else at
        self._keep(Failure(step, since, at, error))

    def passed(self, failure: Failure, at: datetime) -> None:
        """Record that a step succeeded after this failure."""
        self._keep(Failure(failure.step, failure.since, failure.at, failure.error, at))

    def forget(self, *steps: str) -> None:
        if steps:
            self.redis.hdel(keys.failures(self.deployment), *steps)

    def _keep(self, failure: Failure) -> None:
        value = {
            "since": failure.since.timestamp(),
            "at": failure.at.timestamp(),
            "error": failure.error,
            "over_at": failure.over_at.timestamp() if failure.over_at else None,
        }
        self.redis.hset(keys.failures(self.deployment), failure.step, json.dumps(value))


def _failure(step: str, stored: bytes) -> Failure | None:
    """Parse a stored failure; None if it is invalid, because reading failures must not cause one."""
    try:
        value = json.loads(stored)
        since, at, over_at = (_at(value.get(name)) for name in ("since", "at", "over_at"))
    except (ValueError, TypeError, AttributeError):
        return None
    return Failure(step, since, at, str(value.get("error", "")), over_at) if since and at else None


def _at(moment: float | None) -> datetime | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC)


def swept_at(connection: "redis.Redis", deployments: Sequence[str]) -> dict[str, float]:
    """Return when the sweep last processed each deployment, in epoch seconds; 0 for never."""
    store = commands(connection)
    stored = store.hmget(keys.SWEPT, list(deployments))
    return {name: float(value or 0) for name, value in zip(deployments, stored, strict=True)}


def note_swept(connection: "redis.Redis", deployment: str, at: datetime) -> None:
    connection.hset(keys.SWEPT, deployment, at.timestamp())
