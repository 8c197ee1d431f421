"""The progress of a pass over Coder's API, saved after each step so that another process can continue it."""

from collections.abc import Iterable, Sequence
from typing import Final

import redis

from app.core.coder.passes import PassState
from app.store import keys
from app.store.server.commands import commands
from app.store.server.connection import script

# Expiry of the set of seen workspaces, in case a pass is never completed.
_SEEN_SECONDS: Final = 7 * 86_400


class Passes:
    """The passes of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis = commands(connection)
        self.deployment = deployment
        self._step = script(connection, "step")

    def load(self) -> tuple[int, PassState | None]:
        """Return the current or last pass, and the version that `step` expects."""
        version, stored = self.redis.hmget(keys.pass_state(self.deployment), "v", "s")
        return int(version or 0), None if stored is None else PassState.model_validate_json(stored)

    def step(self, version: int, after: PassState, seen: Iterable[str] = (), *, restart: bool = False) -> bool:
        """Save the state after a step and the workspaces it saw; False if another process saved one first.

        Args:
            version: the version of the state from which the step began.
            after: the new state.
            seen: ids of workspaces that this pass does not need to check again.
            restart: forget the workspaces seen so far.
        """
        return bool(
            self._step(
                keys=[keys.pass_state(self.deployment), keys.pass_seen(self.deployment)],
                args=[version, after.model_dump_json(), int(restart), _SEEN_SECONDS, *seen],
            )
        )

    def unseen(self, workspace_ids: Sequence[str]) -> list[str]:
        """Return the workspaces that this pass has not seen yet."""
        if not workspace_ids:
            return []
        known = self.redis.smismember(keys.pass_seen(self.deployment), list(workspace_ids))
        return [one for one, seen in zip(workspace_ids, known, strict=True) if not seen]

    def unseen_open(self) -> list[str]:
        """Return the open workspaces that this pass has not seen."""
        found = self.redis.sdiff(keys.open_workspaces(self.deployment), keys.pass_seen(self.deployment))
        return sorted(member.decode() for member in found)

    def newer(self, builds: dict[str, float]) -> list[str]:
        """Return the workspaces whose given build is newer than the one because of which they were last checked."""
        if not builds:
            return []
        known = self.redis.zmscore(keys.looked(self.deployment), list(builds))
        return [one for one, at in zip(builds, known, strict=True) if at is None or at < builds[one]]

    def note_examined(self, builds: dict[str, float], forget: float) -> None:
        """Record the builds because of which workspaces were checked, and forget those before a time."""
        if builds:
            self.redis.zadd(keys.looked(self.deployment), builds, gt=True)
        self.redis.zremrangebyscore(keys.looked(self.deployment), "-inf", forget)
