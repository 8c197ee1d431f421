"""The scenarios of Coder's documentation, each played in a world.

https://coder.com/docs/ai-coder/ai-governance, "How Coder Tasks usage is measured".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.simulator.model import Workspace
from app.simulator.world import World


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table.

    Attributes:
        counts: whether it counts according to the documentation.
        prepare: what must happen first; returns the existing workspace.
        play: the scenario itself, given the prepared workspace; returns the workspace it is about.
    """

    title: str
    counts: bool
    play: Callable[[World, Workspace | None], Workspace]
    prepare: Callable[[World], Workspace] | None = None


def _task_in_ui(world: World, _prepared: Workspace | None) -> Workspace:
    return world.create_task(world.developers[1])


def _task_by_pipeline(world: World, _prepared: Workspace | None) -> Workspace:
    return world.create_task_by_pipeline()


def _old_task(world: World) -> Workspace:
    workspace = world.create_task(world.developers[2])
    world.pass_time(30)
    world.pause(workspace)
    return workspace


def _resume(world: World, prepared: Workspace | None) -> Workspace:
    if prepared is None:
        raise ValueError("resuming needs an old task")
    world.resume(prepared)
    return prepared


def _created_for(template: str, why: str) -> Callable[[World, Workspace | None], Workspace]:
    def play(world: World, _prepared: Workspace | None) -> Workspace:
        return world.create_workspace(world.developers[3], world.template(template), why=why)

    return play


def _stopped(world: World) -> Workspace:
    workspace = world.create_workspace(world.developers[4], world.template("go-backend"), why="daily work")
    world.pass_time(60)
    world.stop(workspace)
    return workspace


def _started(reason: str) -> Callable[[World, Workspace | None], Workspace]:
    def play(world: World, prepared: Workspace | None) -> Workspace:
        if prepared is None:
            raise ValueError("starting needs a stopped workspace")
        world.start(prepared, reason=reason)
        return prepared

    return play


SCENARIOS: Final = (
    Scenario("Developer creates a Coder Task to write end-to-end tests", counts=True, play=_task_in_ui),
    Scenario(
        "Automated pipeline creates a task via Coder Tasks CLI to review a pull request",
        counts=True,
        play=_task_by_pipeline,
    ),
    Scenario("Developer resumes an old Coder Task", counts=True, play=_resume, prepare=_old_task),
    Scenario(
        "Developer starts a workspace for use with VS Code and Jupyter",
        counts=False,
        play=_created_for("vscode-jupyter", "workspace for VS Code and Jupyter"),
    ),
    Scenario(
        "Developer creates a workspace for use with Cursor and Claude Code CLI",
        counts=False,
        play=_created_for("cursor-claude-cli", "workspace for Cursor and Claude Code CLI"),
    ),
    Scenario(
        "Developer creates a workspace for use with AI Bridge and Agent Boundaries",
        counts=False,
        play=_created_for("ai-bridge-boundaries", "workspace for AI Bridge and Agent Boundaries"),
    ),
    Scenario("Developer starts an ordinary workspace by hand", False, _started("initiator"), _stopped),
    Scenario("An ordinary workspace starts by its schedule", False, _started("autostart"), _stopped),
)
