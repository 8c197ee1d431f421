"""Where a pass over Coder's API is: kept after each step, so that the next step may be another process's."""

from collections.abc import Iterable, Sequence
from typing import Final

import redis

from app.core.coder.passes import PassState
from app.store import keys
from app.store.server.commands import commands
from app.store.server.connection import script

# Of the set of what a pass has seen, in case nobody ends the pass.
_SEEN_SECONDS: Final = 7 * 86_400


class Passes:
    """The pass of one deployment."""

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis = commands(connection)
        self.deployment = deployment
        self._step = script(connection, "step")

    def load(self) -> tuple[int, PassState | None]:
        """Return the current pass, or the last one if it is done, with the version that `step` expects."""
        version, stored = self.redis.hmget(keys.pass_state(self.deployment), "v", "s")
        return int(version or 0), None if stored is None else PassState.model_validate_json(stored)

    def step(self, version: int, after: PassState, seen: Iterable[str] = (), *, anew: bool = False) -> bool:
        """Put a state in place of the one it follows from, with what the step has seen; False if another was faster.

        Args:
            version: of the state that the step began from.
            after: the state to keep.
            seen: ids of workspaces that need no further look in this pass.
            anew: forget what was seen so far.
        """
        return bool(
            self._step(
                keys=[keys.pass_state(self.deployment), keys.pass_seen(self.deployment)],
                args=[version, after.model_dump_json(), int(anew), _SEEN_SECONDS, *seen],
            )
        )

    def unseen(self, workspace_ids: Sequence[str]) -> list[str]:
        """Return those that this pass has not seen yet."""
        if not workspace_ids:
            return []
        known = self.redis.smismember(keys.pass_seen(self.deployment), list(workspace_ids))
        return [one for one, seen in zip(workspace_ids, known, strict=True) if not seen]

    def unseen_open(self) -> list[str]:
        """Return the open workspaces that this pass has not seen."""
        found = self.redis.sdiff(keys.open_workspaces(self.deployment), keys.pass_seen(self.deployment))
        return sorted(member.decode() for member in found)

    def newer(self, builds: dict[str, float]) -> list[str]:
        """Return the workspaces whose build at this moment of the past led to no look yet."""
        if not builds:
            return []
        known = self.redis.zmscore(keys.looked(self.deployment), list(builds))
        return [one for one, at in zip(builds, known, strict=True) if at is None or at < builds[one]]

    def note_examined(self, builds: dict[str, float], forget: float) -> None:
        """Record past builds whose workspace was checked because of them, and forget those before some time."""
        if builds:
            self.redis.zadd(keys.looked(self.deployment), builds, gt=True)
        self.redis.zremrangebyscore(keys.looked(self.deployment), "-inf", forget)
