"""Weeks of a team's work as a timeline, to which tests add deliveries, outages and readings."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from app.simulator.model import Build, User, Workspace
from app.simulator.world import CONNECTIONS, World

Action = Callable[[], object]
_TASKS_PER_DAY: Final = 1.6
#: People work from eight to eight, and little at weekends.
_WORKDAY_MINUTES: Final = 12 * 60
_SATURDAY: Final = 5
_WEEKEND_SHARE: Final = 0.2
_START_REASONS: Final = ("initiator", "dashboard", "cli", "autostart", *CONNECTIONS)
_STATES: Final = ("working", "idle", "complete", "failure")
_FAILED: Final = 0.08
_CANCELED: Final = 0.04
_BY_TIMEOUT: Final = 0.5


class Timeline:
    """The upcoming actions of a world, in order; each action may schedule later ones.

    Iterate over it and call each action, which moves the world's clock. The world's seed determines everything, so
    added actions must not use the world's `rng`.
    """

    def __init__(
        self,
        world: World,
        *,
        days: int = 30,
        tasks_per_day: float | Sequence[float] = _TASKS_PER_DAY,
        people: Sequence[User] = (),
    ) -> None:
        """Schedule what people begin; its outcome is decided when it happens.

        Args:
            world: the world to act in, starting from its clock's day.
            days: the number of days on which people begin something; everything ends on the last of them.
            tasks_per_day: tasks on a working day; a sequence gives one number for each day.
            people: who begins tasks, repeated in proportion to their share; by default all developers and the pipeline.
        """
        self.world = world
        self._people = people or [*world.developers, world.user("ci-pipeline")]
        self.end = world.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)
        self._queue: list[tuple[datetime, int, Action]] = []
        self._numbers = count()
        self._hooks: list[Action] = []
        for day in range(days):
            tasks = tasks_per_day if isinstance(tasks_per_day, int | float) else tasks_per_day[day]
            self._plan_day(self.end - timedelta(days=days - day), tasks)

    def at(self, when: datetime, action: Action) -> None:
        """Schedule an action; one in the past runs next."""
        heapq.heappush(self._queue, (when, next(self._numbers), action))

    def every(self, minutes: float, action: Action) -> None:
        """Schedule an action at regular intervals until the end."""
        when = self.world.now + timedelta(minutes=minutes)
        while when < self.end:
            self.at(when, action)
            when += timedelta(minutes=minutes)

    def after_each(self, action: Action) -> None:
        """Run an action after every other one, such as collecting notifications."""
        self._hooks.append(action)

    def __iter__(self) -> Iterator[tuple[datetime, Action]]:
        while self._queue:
            yield self._next()
        self.world.advance_to(self.end)

    def play_until(self, moment: datetime) -> None:
        """Run all actions that are due before a moment, and move the world's clock there."""
        while self._queue and self._queue[0][0] < moment:
            self._next()[1]()
        with self.world.lock:
            self.world.advance_to(moment)

    def _next(self) -> tuple[datetime, Action]:
        when, _, action = heapq.heappop(self._queue)
        when = max(when, self.world.now)
        return when, self._moved(when, action)

    def play(self) -> World:
        """Run all actions."""
        for _, action in self:
            action()
        return self.world

    def _moved(self, when: datetime, action: Action) -> Action:
        def happen() -> None:
            with self.world.lock:
                self.world.advance_to(when)
            action()
            for hook in self._hooks:
                hook()

        return happen

    def _plan_day(self, midnight: datetime, tasks: float) -> None:
        share = _WEEKEND_SHARE if midnight.weekday() >= _SATURDAY else 1.0
        for per_day, begin in (
            (tasks * 0.7, self._new_task),
            (tasks * 0.15, self._new_task_of_admin),
            (tasks * 0.15, self._new_prebuild),
            (0.4, self._new_ordinary),
            (0.15, self._new_from_ai_template),
        ):
            for _ in range(self._about(per_day * share)):
                minutes = 8 * 60 + self.world.rng.uniform(0, _WORKDAY_MINUTES)
                at = midnight + timedelta(minutes=minutes)
                if at >= self.world.now:
                    self.at(at, self._locked(begin))

    def _about(self, expected: float) -> int:
        whole = int(expected)
        return whole + (self.world.rng.random() < expected - whole)

    def _locked(self, action: Action) -> Action:
        def happen() -> None:
            with self.world.lock:
                action()

        return happen

    def _new_task(self) -> None:
        world = self.world
        self._follow(world.create_task(world.rng.choice(self._people), unfinished=True))

    def _new_task_of_admin(self) -> None:
        self._follow(self.world.create_task(self.world.rng.choice(self.world.admins), unfinished=True))

    def _new_prebuild(self) -> None:
        world = self.world
        template = world.rng.choice([template for template in world.templates if template.ai])
        workspace = world.create_prebuild(template)
        owner = world.rng.choice(world.developers)
        self._later(5, 600, lambda: self._follow_build(workspace, world.claim(workspace, owner, unfinished=True)))

    def _new_ordinary(self) -> None:
        template = self.world.rng.choice([template for template in self.world.templates if not template.ai])
        self._new_workspace(template.name)

    def _new_from_ai_template(self) -> None:
        template = self.world.rng.choice([template for template in self.world.templates if template.ai])
        self._new_workspace(template.name)

    def _new_workspace(self, template: str) -> None:
        world = self.world
        owner = world.rng.choice(world.developers)
        self._follow(world.create_workspace(owner, world.template(template), why="daily work", unfinished=True))

    def _follow(self, workspace: Workspace) -> None:
        self._follow_build(workspace, workspace.latest)

    def _follow_build(self, workspace: Workspace, build: Build) -> None:
        """End a build after some time with a random outcome, and schedule what follows."""
        world, luck = self.world, self.world.rng.random()

        def end() -> None:
            if luck < _CANCELED:
                world.cancel(build)
            else:
                world.finish(build, succeeded=luck >= _CANCELED + _FAILED)
            self._later(3, 1500, lambda: self._go_on(workspace))

        # Half of the cancelled builds are still queued.
        if _CANCELED / 2 < luck < 1 - _CANCELED:
            self._later(0.02, 0.2, lambda: None if build.ended else world.run(build))
        self._later(0.3, 6, end)

    def _go_on(self, workspace: Workspace) -> None:
        """Schedule the next action for a workspace that has no build in progress."""
        if workspace.deleted or workspace.busy:
            return
        actions = self._running(workspace) if workspace.running else self._stopped(workspace)
        self.world.rng.choices([action for _, action in actions], [weight for weight, _ in actions])[0]()

    def _running(self, workspace: Workspace) -> list[tuple[int, Action]]:
        world = self.world
        actions: list[tuple[int, Action]] = [
            (2, lambda: self._follow_build(workspace, world.restart(workspace, unfinished=True))),
            (1, lambda: self._follow_build(workspace, world.update(workspace, unfinished=True))),
            (2, lambda: self._follow_build(workspace, world.stop(workspace, unfinished=True))),
            (3, lambda: self._follow_build(workspace, world.delete(workspace, self._deleter(), unfinished=True))),
            (1, lambda: self._leave_over(workspace)),
        ]
        if workspace.has_task:
            actions += [
                (5, lambda: self._pause(workspace)),
                (2, lambda: self._pause_and_resume(workspace)),
                (6, lambda: self._report(workspace)),
            ]
        return actions

    def _stopped(self, workspace: Workspace) -> list[tuple[int, Action]]:
        world, reason = self.world, self.world.rng.choice(_START_REASONS)
        actions: list[tuple[int, Action]] = [
            (4, lambda: self._start(workspace, reason)),
            (3, lambda: self._follow_build(workspace, world.delete(workspace, self._deleter(), unfinished=True))),
        ]
        if workspace.has_task:
            actions.append((5, lambda: self._follow_build(workspace, world.resume(workspace, unfinished=True))))
            # Also for a task that never started, or that is already paused.
            actions.append((1, lambda: self._pause(workspace)))
        return actions

    def _start(self, workspace: Workspace, reason: str) -> None:
        """Start a workspace; a third of scheduled starts also update it to a new version."""
        updates = reason == "autostart" and self.world.rng.random() < 1 / 3
        build = self.world.start(workspace, reason=reason, updates=updates, unfinished=True)
        self._follow_build(workspace, build)

    def _pause(self, workspace: Workspace) -> None:
        self.world.pause(workspace, by_timeout=self.world.rng.random() < _BY_TIMEOUT)
        self._later(10, 2000, lambda: self._go_on(workspace))

    def _pause_and_resume(self, workspace: Workspace) -> None:
        """Pause and resume twice within minutes; the second resume on a day is not announced."""
        for _ in range(2):
            self.world.pause(workspace)
            self.world.resume(workspace)
        self._later(10, 2000, lambda: self._go_on(workspace))

    def _report(self, workspace: Workspace) -> None:
        self.world.report_status(workspace, self.world.rng.choice(_STATES))
        self._later(2, 600, lambda: self._go_on(workspace))

    def _leave_over(self, workspace: Workspace) -> None:
        """Delete a task whose workspace cannot be destroyed, so that the workspace remains without its task."""
        self.world.delete(workspace, self._deleter(), fails=True)
        self.world.stop(workspace)
        self._later(10, 2000, lambda: self._go_on(workspace))

    def _deleter(self) -> User | None:
        """Return an admin; None if the owner deletes it."""
        return self.world.rng.choice([None, None, self.world.admins[0]])

    def _later(self, least: float, most: float, action: Action) -> None:
        """Schedule an action between `least` and `most` minutes from now, unless that is after the end."""
        at = self.world.now + timedelta(minutes=self.world.rng.uniform(least, most))
        if at < self.end:
            self.at(at, self._locked(action))


def random_month(seed: int, *, days: int = 30, tasks_per_day: float = _TASKS_PER_DAY) -> World:
    """Return a world in which the given number of days have passed."""
    return Timeline(World(seed), days=days, tasks_per_day=tasks_per_day).play()
