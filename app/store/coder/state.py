"""The last reports of Coder's API, and the workspaces to check: the stored state of verify and reconcile."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import redis

from app.core.coder.history import HistorySource
from app.core.coder.shapes import BuildInfo, Entitlements
from app.core.limit.drift import DriftPoint
from app.store import keys
from app.store.server.commands import Fields, commands
from app.store.server.connection import pipelined, script

_HISTORY_KEPT: Final = 2000


@dataclass(frozen=True, slots=True)
class Due:
    """A workspace to verify; `mark` changes if news about it arrives in the meantime."""

    workspace_id: str
    mark: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A workspace for which Coder answered.

    Attributes:
        again_at: when to check it again; None for never.
        is_task: keep it open, as a task's workspace.
        ended: it has no build in progress, so it is no longer open if it was closing.
    """

    due: Due
    again_at: float | None = None
    is_task: bool = False
    ended: bool = True


def _args(due: Due, again_at: float | None) -> list[str | int]:
    return [due.workspace_id, repr(due.mark), "" if again_at is None else repr(again_at)]


class CoderState:
    """One deployment's state concerning Coder's API."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment
        self._done = script(connection, "verified")

    def request_verification(self, workspace_ids: Iterable[str], at: float) -> None:
        """Schedule the verification of workspaces from a time on; repeated requests cause only one."""
        members = dict.fromkeys(workspace_ids, at)
        if members:
            self.redis.zadd(keys.due(self.deployment), members)

    def due(self, now: float, most: int) -> list[Due]:
        rows = self.redis.zrange(
            keys.due(self.deployment), "-inf", now, byscore=True, offset=0, num=most, withscores=True
        )
        return [Due(member.decode(), float(score)) for member, score in rows]

    def due_count(self, now: float) -> int:
        return int(self.redis.zcount(keys.due(self.deployment), "-inf", now))

    def work_waits(self, now: float) -> bool:
        """Return whether there is anything to verify, or a pass to finish."""
        return bool(self.due_count(now)) or self.mark("pass_begun_at") is not None

    def verified(self, due: Due, again_at: float | None) -> None:
        """Remove a workspace from the list, or postpone it, unless news about it arrived in the meantime."""
        self._done(keys=[keys.due(self.deployment)], args=_args(due, again_at))

    def answered_for(self, checked: Sequence[Checked]) -> None:
        """Do the same after answers of Coder's, which end the series of failures for these workspaces."""
        names = [name(self.deployment) for name in (keys.due, keys.closing, keys.open_workspaces, keys.failing)]

        def fill(pipe: Any) -> None:
            for one in checked:
                args = [*_args(one.due, one.again_at), int(one.is_task), int(one.ended)]
                pipe.evalsha(self._done.sha, len(names), *names, *args)

        if checked:
            pipelined(self.connection, fill, self._done)

    def open_workspaces(self) -> set[str]:
        """Return the workspaces that have consumed builds and may consume more."""
        return {member.decode() for member in self.redis.smembers(keys.open_workspaces(self.deployment))}

    def close(self, workspace_ids: Sequence[str]) -> None:
        """Record that these are no longer listed: they are checked one last time."""
        if workspace_ids:
            self.redis.sadd(keys.closing(self.deployment), *workspace_ids)

    def save_licence(self, entitlements: Entitlements | None, info: BuildInfo | None, at: datetime) -> None:
        """Save the latest entitlements and build information."""
        fields: dict[str, Any] = {"heard_at": at.timestamp()}
        if entitlements is not None:
            fields["entitlements"] = entitlements.model_dump_json()
        if info is not None:
            fields["build_info"] = info.model_dump_json()
        self.redis.hset(keys.coder(self.deployment), mapping=fields)

    def entitlements(self) -> Entitlements | None:
        stored = self.redis.hget(keys.coder(self.deployment), "entitlements")
        return None if stored is None else Entitlements.model_validate_json(stored)

    def build_info(self) -> BuildInfo | None:
        stored = self.redis.hget(keys.coder(self.deployment), "build_info")
        return None if stored is None else BuildInfo.model_validate_json(stored)

    def groups(self) -> dict[str, list[str]]:
        """Return the members of Coder's groups by group name; empty if unknown."""
        found = self.redis.hgetall(keys.groups(self.deployment))
        return {name.decode(): json.loads(members) for name, members in found.items()}

    def keep_groups(self, groups: Mapping[str, Sequence[str]]) -> None:
        """Replace the stored groups."""
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.groups(self.deployment))
            if groups:
                pipe.hset(keys.groups(self.deployment), mapping={k: json.dumps(list(v)) for k, v in groups.items()})
            pipe.execute()

    def note(self, **marks: Any) -> None:
        """Set marks, such as `reconciled_at`; None removes a mark."""
        gone = [name for name, value in marks.items() if value is None]
        kept: Fields = {name: value for name, value in marks.items() if value is not None}
        with self.redis.pipeline(transaction=True) as pipe:
            if gone:
                pipe.hdel(keys.coder(self.deployment), *gone)
            if kept:
                pipe.hset(keys.coder(self.deployment), mapping=kept)
            pipe.execute()

    def mark(self, name: str) -> str | None:
        stored = self.redis.hget(keys.coder(self.deployment), name)
        return None if stored is None else stored.decode()

    def moment(self, name: str) -> datetime | None:
        text = self.mark(name)
        return None if text is None else datetime.fromtimestamp(float(text), UTC)

    def failed(self, message: str, at: datetime) -> None:
        """Record a failure of the API; `failing_since` stays that of the first consecutive one."""
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(keys.coder(self.deployment), "failing_since", at.timestamp())
            pipe.hset(keys.coder(self.deployment), "failure", message)
            pipe.execute()

    def answered(self) -> None:
        self.note(failing_since=None, failure=None)

    def stumbled(self, failures: Mapping[str, str], at: datetime) -> None:
        """Record failures of Coder that concern single workspaces; `answered_for` clears them.

        The count is not part of a transaction: counting a failure twice only delays the next check.
        """
        for workspace_id, error in failures.items():
            earlier = self._failures([workspace_id]).get(workspace_id)
            since = earlier["since"] if earlier else at.timestamp()
            times = earlier["times"] + 1 if earlier else 1
            row = json.dumps({"since": since, "times": times, "error": error})
            self.redis.hset(keys.failing(self.deployment), workspace_id, row)

    def times_failed(self, workspace_id: str) -> int:
        """Return the number of consecutive failures for this workspace while Coder answered for others."""
        found = self._failures([workspace_id])
        return int(found[workspace_id]["times"]) if found else 0

    def failing_count(self) -> int:
        """Return the number of workspaces for which Coder fails while it answers for others."""
        return int(self.redis.hlen(keys.failing(self.deployment)))

    def _failures(self, workspace_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        rows = self.redis.hmget(keys.failing(self.deployment), list(workspace_ids))
        return {one: json.loads(row) for one, row in zip(workspace_ids, rows, strict=True) if row is not None}

    def history_source(self) -> HistorySource | None:
        """Return what reported deleted workspaces in the last pass; None before the first."""
        mark = self.mark("history_source")
        return None if mark is None else HistorySource(mark)

    @property
    def sees_deleted(self) -> bool:
        return self.history_source() not in (None, HistorySource.NONE)

    def add_drift(self, point: DriftPoint) -> None:
        """Append to the history, unless it has a point at the same time."""
        at = point.at.timestamp()
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.zremrangebyscore(keys.drift(self.deployment), at, at)
            pipe.zadd(keys.drift(self.deployment), {json.dumps([at, point.counted, point.actual]): at})
            pipe.zremrangebyrank(keys.drift(self.deployment), 0, -(_HISTORY_KEPT + 1))
            pipe.execute()

    def drift(self) -> list[DriftPoint]:
        """Return the history, oldest first."""
        rows = [json.loads(member) for member in self.redis.zrange(keys.drift(self.deployment), 0, -1)]
        return [DriftPoint(datetime.fromtimestamp(at, UTC), counted, actual) for at, counted, actual, *_ in rows]
