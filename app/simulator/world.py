"""One seeded world: users, templates, tasks and workspaces, and everything that people and Coder do with them.

The world knows its true Agent Workspace Builds. It neither renders notifications nor speaks HTTP: other modules read
`happenings` and `workspaces`.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from app.simulator.model import Build, Happening, Kind, Role, Task, Template, Transition, User, Workspace

STATUS_EVENTS: Final = frozenset({"Task Working", "Task Idle", "Task Completed", "Task Failed"})
AI_TEMPLATES: Final = ("claude-code-tasks", "codex-tasks")
ORDINARY_TEMPLATES: Final = ("vscode-jupyter", "cursor-claude-cli", "ai-bridge-boundaries", "go-backend")
_PEOPLE: Final = ("ada", "bobby", "chen", "dewi", "emil", "farah", "grace", "hugo")
_JOBS: Final = ("write-e2e-tests", "review-pr", "fix-flaky-test", "port-to-go", "draft-docs", "triage-bugs")
_START: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class World:
    """A Coder deployment in which every action is a method, and time passes only when told to.

    Actions raise ValueError where Coder would answer 409, as for resuming what is running.
    """

    def __init__(self, seed: int, *, start: datetime = _START, display_names: bool = False) -> None:
        """Make the users and templates; nothing has happened yet.

        Args:
            seed: the same seed and the same actions give the same world, ids included.
            start: the world's clock.
            display_names: give templates a display name that differs from their name.
        """
        self.rng = random.Random(seed)
        self.now = start
        self.organization_id = self.new_id()
        self.happenings: list[Happening] = []
        self.workspaces: list[Workspace] = []
        self.users = self._make_users()
        self.templates = [
            Template(
                id=self.new_id(),
                name=name,
                version=f"v{self.rng.randint(1, 9)}",
                version_id=self.new_id(),
                ai=name in AI_TEMPLATES,
                display_name=name.replace("-", " ").title() if display_names else "",
            )
            for name in AI_TEMPLATES + ORDINARY_TEMPLATES
        ]

    @property
    def awbs(self) -> list[Build]:
        """Every Agent Workspace Build there truly was, oldest first."""
        counted = [build for workspace in self.workspaces for build in workspace.builds if build.counts]
        return sorted(counted, key=lambda build: (build.completed_at, build.id))

    @property
    def admins(self) -> list[User]:
        """Owners and template admins, who are told of new workspaces."""
        return [user for user in self.users if user.roles]

    @property
    def developers(self) -> list[User]:
        return [user for user in self.users if not user.roles]

    def new_id(self) -> str:
        return str(UUID(int=self.rng.getrandbits(128), version=4))

    def template(self, name: str) -> Template:
        return next(template for template in self.templates if template.name == name)

    def pass_time(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    def create_task(
        self, owner: User, template: Template | None = None, *, why: str = "task created in the UI", fails: bool = False
    ) -> Workspace:
        """Create a task and start its workspace, as the dashboard and `coder task create` do."""
        name = f"{self.rng.choice(_JOBS)}-{self.rng.getrandbits(20):05x}"
        chosen = template or self.rng.choice([t for t in self.templates if t.ai])
        return self._create(Workspace(self.new_id(), name, owner, chosen, self._task(name)), why, fails=fails)

    def create_task_by_pipeline(self, *, fails: bool = False) -> Workspace:
        """Create a task with the Tasks CLI, by the account of a pipeline."""
        pipeline = next(user for user in self.users if user.username == "ci-pipeline")
        return self.create_task(pipeline, why="task created by a pipeline with the Tasks CLI", fails=fails)

    def create_workspace(self, owner: User, template: Template, *, why: str, fails: bool = False) -> Workspace:
        """Create an ordinary workspace, whatever its user runs in it."""
        name = f"{owner.username}-{template.name}-{self.rng.getrandbits(16):04x}"
        return self._create(Workspace(self.new_id(), name, owner, template), why, fails=fails)

    def resume(self, workspace: Workspace, *, fails: bool = False) -> None:
        """Resume a paused task by the resume endpoint. Coder announces it when the build is queued."""
        self._need(workspace.has_task and not workspace.running, "resume", workspace)
        build = self._build(workspace, Transition.START, "task_resume", "task resumed", fails=fails)
        self._happened(Kind.TASK_RESUMED, workspace, build=build)
        self._finish(workspace, build)

    def pause(self, workspace: Workspace, *, by_timeout: bool = False) -> None:
        """Pause a running task, by its user or because it was idle for too long."""
        self._need(workspace.has_task and workspace.running, "pause", workspace)
        reason, why = ("task_auto_pause", "idle timeout") if by_timeout else ("task_manual_pause", "manual")
        build = self._build(workspace, Transition.STOP, reason, f"task paused ({why})")
        self._finish(workspace, build)
        self._happened(Kind.TASK_PAUSED, workspace, build=build, detail=why)

    def start(self, workspace: Workspace, *, reason: str = "initiator", fails: bool = False) -> None:
        """Start a stopped workspace by hand, by a connection or by its schedule. No notification tells of success."""
        self._need(not workspace.running and not workspace.deleted, "start", workspace)
        why = "scheduled autostart" if reason == "autostart" else "manual start"
        build = self._build(workspace, Transition.START, reason, why, fails=fails)
        self._happened(Kind.STARTED, workspace, build=build)
        self._finish(workspace, build)

    def stop(self, workspace: Workspace) -> None:
        self._need(workspace.running, "stop", workspace)
        self._finish(workspace, self._build(workspace, Transition.STOP, "initiator", "manual stop"))

    def delete(self, workspace: Workspace, initiator: User | None = None) -> None:
        """Delete a workspace. Deleting a task hides it first, so the delete build belongs to none."""
        self._need(not workspace.deleted, "delete", workspace)
        if workspace.task:
            workspace.task.deleted = True
        build = self._build(workspace, Transition.DELETE, "initiator", "workspace deleted", initiator)
        self._finish(workspace, build)
        self._happened(Kind.DELETED, workspace, build=build, initiator=initiator)

    def report_status(self, workspace: Workspace, state: str) -> None:
        """Let a task's agent report working, idle, complete or failure."""
        task = workspace.task
        if task is None or task.deleted or not workspace.running:
            raise ValueError(f"no agent of a task runs in {workspace.name}")
        if state == task.state:
            return
        first, task.state = not task.state, state
        # Every task begins by working; Coder does not tell anybody (coderd/agentapi/apps.go).
        if not (first and state == "working"):
            self._happened(Kind.TASK_STATUS, workspace, detail=state)

    def _create(self, workspace: Workspace, why: str, *, fails: bool) -> Workspace:
        self.workspaces.append(workspace)
        build = self._build(workspace, Transition.START, "initiator", why, fails=fails)
        # Sent when the job is queued, before anybody knows whether the build succeeds (coderd/workspaces.go).
        self._happened(Kind.WORKSPACE_CREATED, workspace, build=build)
        self._finish(workspace, build)
        return workspace

    def _build(
        self,
        workspace: Workspace,
        transition: Transition,
        reason: str,
        why: str,
        initiator: User | None = None,
        *,
        fails: bool = False,
    ) -> Build:
        return Build(
            id=self.new_id(),
            workspace_id=workspace.id,
            number=len(workspace.builds) + 1,
            transition=transition,
            reason=reason,
            initiator=initiator or workspace.owner,
            completed_at=self.now + timedelta(seconds=self.rng.randint(20, 50)),
            succeeded=not fails,
            has_task=workspace.has_task and not fails,
            why=why,
        )

    def _finish(self, workspace: Workspace, build: Build) -> None:
        workspace.builds.append(build)
        if not build.succeeded:
            self._happened(Kind.BUILD_FAILED, workspace, build=build)

    def _happened(
        self,
        kind: Kind,
        workspace: Workspace,
        *,
        build: Build | None = None,
        initiator: User | None = None,
        detail: str = "",
    ) -> None:
        who = initiator or workspace.owner
        self.happenings.append(Happening(kind, self.now, workspace, who, build, detail))

    def _task(self, name: str) -> Task:
        return Task(self.new_id(), name, self.new_id())

    def _make_users(self) -> list[User]:
        """Make admins of each role, a pipeline's account, and developers, some of whom follow their agents."""
        told = frozenset({"Workspace Created", "Workspace Manually Updated"})
        users = [
            User(self.new_id(), "olivia", "Olivia Owner", frozenset({Role.OWNER}), told),
            User(self.new_id(), "tariq", "Tariq Admin", frozenset({Role.TEMPLATE_ADMIN}), told),
            User(self.new_id(), "uma", "", frozenset({Role.OWNER, Role.TEMPLATE_ADMIN}), told),
            User(self.new_id(), "ci-pipeline", "CI pipeline"),
        ]
        for username in _PEOPLE:
            follows = STATUS_EVENTS if self.rng.random() < 0.5 else frozenset[str]()  # noqa: PLR2004 - half of them
            users.append(User(self.new_id(), username, username.title(), frozenset(), follows))
        return users

    @staticmethod
    def _need(condition: bool, action: str, workspace: Workspace) -> None:
        if not condition:
            raise ValueError(f"cannot {action} {workspace.name}: it is not in the state for it")
