"""Random activity of a team in a world: seeded, with common actions more likely."""

from collections.abc import Callable
from typing import Final

from app.simulator.model import User, Workspace
from app.simulator.world import World

_STATES: Final = ("working", "idle", "idle", "complete", "failure")
#: A connection also starts a workspace, and counts like any other start of a task's workspace.
_START_REASONS: Final = ("initiator", "cli", "ssh_connection", "autostart")


class Traffic:
    """Random actions, each of which is possible when it happens."""

    def __init__(self, world: World, *, failures: bool = True, failing_resumes: bool = False) -> None:
        """Prepare the generator.

        Args:
            world: the world to act in.
            failures: whether some builds fail.
            failing_resumes: whether some resumes fail, too. Coder then notifies the owner without a build number.
        """
        self.world = world
        self.failures = failures
        self.failing_resumes = failing_resumes

    def step(self) -> None:
        """Let a few minutes pass, and perform one action."""
        rng = self.world.rng
        self.world.pass_time(rng.randint(1, 9))
        actions = self._possible()
        weights = [weight for weight, _ in actions]
        rng.choices([action for _, action in actions], weights)[0]()

    def _possible(self) -> list[tuple[int, Callable[[], object]]]:
        world = self.world
        running_tasks = self._workspaces(task=True, running=True)
        paused_tasks = self._workspaces(task=True, running=False)
        running = self._workspaces(task=False, running=True)
        stopped = self._workspaces(task=False, running=False)
        choose = world.rng.choice
        actions: list[tuple[int, Callable[[], object]]] = [
            (6, lambda: world.create_task(self._developer(), fails=self._fails())),
            (2, lambda: world.create_task_by_pipeline(fails=self._fails())),
            (3, self._create_ordinary),
        ]
        if running_tasks:
            actions += [
                (8, lambda: world.report_status(choose(running_tasks), choose(_STATES))),
                (5, lambda: world.pause(choose(running_tasks), by_timeout=choose((True, False)))),
                (1, lambda: world.delete(choose(running_tasks), self._deleter())),
            ]
        if paused_tasks:
            actions += [
                (5, lambda: world.resume(choose(paused_tasks), fails=self.failing_resumes and self._fails())),
                (1, lambda: self._start(choose(paused_tasks))),
            ]
        if running:
            actions.append((3, lambda: world.stop(choose(running))))
        if stopped:
            actions += [(3, lambda: self._start(choose(stopped))), (1, lambda: world.delete(choose(stopped)))]
        return actions

    def _workspaces(self, *, task: bool, running: bool) -> list[Workspace]:
        return [w for w in self.world.workspaces if w.has_task is task and w.running is running and not w.deleted]

    def _create_ordinary(self) -> None:
        template = self.world.rng.choice([t for t in self.world.templates if not t.ai])
        why = "workspace for daily work"
        self.world.create_workspace(self._developer(), template, why=why, fails=self._fails())

    def _start(self, workspace: Workspace) -> None:
        self.world.start(workspace, reason=self.world.rng.choice(_START_REASONS), fails=self._fails())

    def _developer(self) -> User:
        return self.world.rng.choice(self.world.developers)

    def _deleter(self) -> User | None:
        """Return an admin; None if the owner deletes it."""
        return self.world.rng.choice([None, self.world.admins[0]])

    def _fails(self) -> bool:
        return self.failures and self.world.rng.random() < 0.12  # noqa: PLR2004 - about one build in eight
