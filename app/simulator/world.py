"""One seeded world: users, templates, tasks and workspaces, and all actions of people and of Coder.

The world knows its true Agent Workspace Builds. It neither renders notifications nor serves HTTP: other modules read
`happenings` and `workspaces`.
"""

from typing import Final

from app.simulator.deployment import AI_TEMPLATES, ORDINARY_TEMPLATES, STATUS_EVENTS
from app.simulator.model import Build, Kind, Task, Template, Transition, User, VersionImport, Workspace
from app.simulator.provisioner import Provisioner
from app.simulator.versions import TASKLESS, Behaviour, Version

__all__ = ["AI_TEMPLATES", "CONNECTIONS", "ORDINARY_TEMPLATES", "STATUS_EVENTS", "World"]

#: Build reasons of starts that a connection triggers.
CONNECTIONS: Final = ("ssh_connection", "vscode_connection", "jetbrains_connection")
_JOBS: Final = ("write-e2e-tests", "review-pr", "fix-flaky-test", "port-to-go", "draft-docs", "triage-bugs")


class World(Provisioner):
    """A Coder deployment in which every action is a method, and time passes only through calls.

    Actions raise ValueError where Coder would answer 409, such as for resuming a running workspace. Each action creates
    a build that takes half a minute and then succeeds. With `fails` it fails; with `unfinished` it stays queued for
    `run`, `finish` or `cancel`.
    """

    def create_task(
        self,
        owner: User,
        template: Template | None = None,
        *,
        initiator: User | None = None,
        why: str = "task created in the UI",
        fails: bool = False,
        unfinished: bool = False,
    ) -> Workspace:
        """Create a task and start its workspace, like the dashboard and `coder task create`."""
        self._need_tasks()
        name = f"{self.rng.choice(_JOBS)}-{self.rng.getrandbits(20):05x}"
        chosen = template or self.rng.choice([t for t in self.templates if t.ai])
        workspace = Workspace(self.new_id(), name, owner, chosen, self.now, self._task(name), last_used_at=self.now)
        return self._create(workspace, why, initiator, fails=fails, unfinished=unfinished)

    def create_task_by_pipeline(self, *, fails: bool = False, unfinished: bool = False) -> Workspace:
        """Create a task with the Tasks CLI, from a pipeline's account."""
        why = "task created by a pipeline with the Tasks CLI"
        return self.create_task(self.user("ci-pipeline"), why=why, fails=fails, unfinished=unfinished)

    def create_workspace(
        self, owner: User, template: Template, *, why: str, fails: bool = False, unfinished: bool = False
    ) -> Workspace:
        """Create an ordinary workspace, whatever runs in it and whatever its template is made for."""
        name = f"{owner.username}-{template.name}-{self.rng.getrandbits(16):04x}"
        workspace = Workspace(self.new_id(), name, owner, template, self.now, last_used_at=self.now)
        return self._create(workspace, why, fails=fails, unfinished=unfinished)

    def create_prebuild(self, template: Template, *, fails: bool = False, unfinished: bool = False) -> Workspace:
        """Let Coder start a workspace in advance, without an owner or a task. Nobody is notified."""
        owner, name = self.prebuilds_user, f"prebuild-{self.rng.getrandbits(32):08x}"
        workspace = Workspace(self.new_id(), name, owner, template, self.now)
        self._add(workspace)
        build = self._queue(workspace, Transition.START, "initiator", "prebuild")
        self._happened(Kind.STARTED, workspace, build=build)
        self._end(build, fails=fails, unfinished=unfinished)
        return workspace

    def claim(self, workspace: Workspace, owner: User, *, fails: bool = False, unfinished: bool = False) -> Build:
        """Claim a prebuild for a new task: the second start of a workspace that now has a task."""
        self._need_tasks()
        self._need(workspace.owner is self.prebuilds_user and workspace.running, "claim", workspace)
        name = f"{self.rng.choice(_JOBS)}-{self.rng.getrandbits(20):05x}"
        workspace.name, workspace.owner, workspace.task = name, owner, self._task(name)
        workspace.last_used_at = self.now
        build = self._queue(workspace, Transition.START, "initiator", "task created with a prebuild")
        self._happened(Kind.WORKSPACE_CREATED, workspace, build=build)
        return self._end(build, fails=fails, unfinished=unfinished)

    def resume(self, workspace: Workspace, *, fails: bool = False, unfinished: bool = False) -> Build:
        """Resume a paused task through the resume endpoint. Coder announces it when the build is queued.

        Before v2.31.1 there is no such endpoint, and people start the workspace.
        """
        self._need(workspace.has_task and not workspace.running, "resume", workspace)
        workspace.last_used_at = self.now
        reason = "task_resume" if self.does(Behaviour.PAUSES) else "initiator"
        build = self._queue(workspace, Transition.START, reason, "task resumed")
        self._happened(Kind.TASK_RESUMED, workspace, build=build)
        return self._end(build, fails=fails, unfinished=unfinished)

    def pause(
        self, workspace: Workspace, *, by_timeout: bool = False, fails: bool = False, unfinished: bool = False
    ) -> Build:
        """Pause a task, by its user or because it was idle too long. Coder does not require it to be running.

        Before v2.31.1 there is no such endpoint, and people stop the workspace.
        """
        self._need(workspace.has_task, "pause", workspace)
        reason, why = ("task_auto_pause", "idle timeout") if by_timeout else ("task_manual_pause", "manual")
        if not self.does(Behaviour.PAUSES):
            reason = "autostop" if by_timeout else "initiator"
        build = self._queue(workspace, Transition.STOP, reason, f"task paused ({why})")
        self._happened(Kind.TASK_PAUSED, workspace, build=build, detail=why)
        return self._end(build, fails=fails, unfinished=unfinished)

    def start(
        self,
        workspace: Workspace,
        *,
        reason: str = "initiator",
        updates: bool = False,
        fails: bool = False,
        unfinished: bool = False,
    ) -> Build:
        """Start a workspace by hand, by a connection or by its schedule. Success is not announced.

        A running workspace can be started again. With `updates` a scheduled start also updates the template version,
        and the owner is notified of that before the build's outcome is known.
        """
        self._need(bool(workspace.builds), "start", workspace)
        why = "scheduled autostart" if reason == "autostart" else "manual start"
        if reason != "autostart":
            workspace.last_used_at = self.now
        if updates:
            self._publish(workspace.template)
        build = self._queue(workspace, Transition.START, reason, why)
        self._happened(Kind.WORKSPACE_AUTO_UPDATED if updates else Kind.STARTED, workspace, build=build)
        return self._end(build, fails=fails, unfinished=unfinished)

    def stop(self, workspace: Workspace, *, fails: bool = False, unfinished: bool = False) -> Build:
        self._need(workspace.running, "stop", workspace)
        build = self._queue(workspace, Transition.STOP, "initiator", "manual stop")
        return self._end(build, fails=fails, unfinished=unfinished)

    def restart(
        self, workspace: Workspace, *, reason: str = "dashboard", fails: bool = False, unfinished: bool = False
    ) -> Build:
        """Stop and start a running workspace, and return the start. Only the start can fail or stay queued."""
        self.stop(workspace)
        return self.start(workspace, reason=reason, fails=fails, unfinished=unfinished)

    def update(self, workspace: Workspace, *, fails: bool = False, unfinished: bool = False) -> Build:
        """Publish a new version of the template and start the workspace with it; stop it first if it runs."""
        if workspace.running:
            self.stop(workspace)
        self._need(not workspace.deleted, "update", workspace)
        self._publish(workspace.template)
        build = self._queue(workspace, Transition.START, "initiator", "update to a new version")
        self._happened(Kind.WORKSPACE_UPDATED, workspace, build=build)
        return self._end(build, fails=fails, unfinished=unfinished)

    def delete(
        self, workspace: Workspace, initiator: User | None = None, *, fails: bool = False, unfinished: bool = False
    ) -> Build:
        """Delete a workspace. Deleting a task hides the task first, so the delete build belongs to none.

        If that build fails, the workspace remains without its task.
        """
        self._need(bool(workspace.builds), "delete", workspace)
        if workspace.has_task and workspace.task:
            workspace.task.deleted_at = self.now
        build = self._queue(workspace, Transition.DELETE, "initiator", "workspace deleted", initiator)
        return self._end(build, fails=fails, unfinished=unfinished)

    def report_status(self, workspace: Workspace, state: str) -> None:
        """Let a task's agent report working, idle, complete or failure."""
        task = workspace.task
        if task is None or task.deleted or not workspace.running:
            raise ValueError(f"no agent of a task runs in {workspace.name}")
        if state == task.state:
            return
        first, task.state = not task.state, state
        # Every task starts as working, which Coder does not announce (coderd/agentapi/apps.go).
        if not (first and state == "working"):
            self._happened(Kind.TASK_STATUS, workspace, detail=state)

    def upgrade(self, version: Version) -> None:
        """Install another version, which restarts Coder; v2.37 and later no longer have tasks."""
        self.version = version
        self.licence = self.licence
        if version >= TASKLESS:
            for workspace in self.workspaces:
                if workspace.task and not workspace.task.deleted:
                    workspace.task.deleted_at = self.now

    def _create(
        self, workspace: Workspace, why: str, initiator: User | None = None, *, fails: bool, unfinished: bool
    ) -> Workspace:
        self._add(workspace)
        build = self._queue(workspace, Transition.START, "initiator", why, initiator)
        # Sent when the job is queued, before the build's outcome is known (coderd/workspaces.go).
        self._happened(Kind.WORKSPACE_CREATED, workspace, build=build, initiator=initiator)
        self._end(build, fails=fails, unfinished=unfinished)
        return workspace

    def _publish(self, template: Template) -> None:
        """Make a new version of a template its active version."""
        template.version, template.version_id = f"v{int(template.version[1:]) + 1}", self.new_id()
        self.imports.append(VersionImport(template.version_id, template, template.version, self.now))

    def _task(self, name: str) -> Task:
        return Task(self.new_id(), name, self.new_id(), self.now)

    def _need_tasks(self) -> None:
        if self.version >= TASKLESS:
            raise ValueError("this version of Coder has no tasks")

    @staticmethod
    def _need(condition: bool, action: str, workspace: Workspace) -> None:
        """Refuse an action if the condition is false, while a build is in progress, and after deletion."""
        if not condition or workspace.busy or workspace.deleted:
            raise ValueError(f"cannot {action} {workspace.name}: it is not in the state for it")
