"""A team that works in a simulated Coder on the run's clock; the ledger must contain exactly its builds."""

import random
from datetime import UTC, datetime

from app.simulator.licence import Licence
from app.simulator.model import Build, Workspace
from app.simulator.notifications import Outbox
from app.simulator.world import World
from tests.torture.traffic import Letter

#: Messages that Coder gave up on: the API has to make up for them.
_LOST = 0.2


class Team:
    """Creates, pauses, resumes, restarts and deletes tasks; every build takes a while, and some fail."""

    def __init__(self, seed: int, now: float) -> None:
        self.rng = random.Random(seed)
        self.world = World(seed, start=datetime.fromtimestamp(now - 60, UTC))
        self.world.licence = Licence(limit=20)
        self._outbox = Outbox(self.world)
        self._building: list[Build] = []

    def step(self, now: float) -> list[Letter]:
        """End some builds, begin another one, and return what Coder sends of it."""
        with self.world.lock:
            self.world.advance_to(datetime.fromtimestamp(now, UTC))
            self.finish(share=0.5)
            self._begin()
            sent = [message for message in self._outbox.collect() if self.rng.random() > _LOST]
        return [Letter(message.id, "/v1/webhook", message.body) for message in sent]

    def finish(self, share: float = 1.0) -> None:
        """End builds; what was built last may be the same moment's."""
        for build in [build for build in self._building if self.rng.random() < share]:
            self._building.remove(build)
            self.world.finish(build, succeeded=self.rng.random() > 0.1)

    def truth(self) -> dict[str, float]:
        return {build.id: build.completed_at.timestamp() for build in self.world.awbs if build.completed_at}

    def _begin(self) -> None:
        world, rng = self.world, self.rng
        idle = [one for one in world.workspaces if one.task and one.has_task and not one.busy and not one.deleted]
        if not idle or rng.random() < 0.4:
            self._building.append(world.create_task(rng.choice(world.developers), unfinished=True).latest)
            return
        self._building.append(self._touch(rng.choice(idle)))

    def _touch(self, workspace: Workspace) -> Build:
        world, luck = self.world, self.rng.random()
        if luck < 0.08:
            return world.delete(workspace, unfinished=True)
        if not workspace.running:
            if luck < 0.7:
                return world.resume(workspace, unfinished=True)
            return world.start(workspace, reason="ssh_connection", unfinished=True)
        return world.pause(workspace, by_timeout=luck < 0.5, unfinished=True)
