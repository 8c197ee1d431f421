"""One seeded world: users, templates, tasks and workspaces, and everything that people and Coder do with them.

The world knows its true Agent Workspace Builds. It neither renders notifications nor speaks HTTP: other modules read
`happenings` and `workspaces`.
"""

from typing import Final

from app.simulator.deployment import AI_TEMPLATES, ORDINARY_TEMPLATES, STATUS_EVENTS
from app.simulator.model import Build, Kind, Task, Template, Transition, User, VersionImport, Workspace
from app.simulator.provisioner import Provisioner
from app.simulator.versions import TASKLESS, Behaviour, Version

__all__ = ["AI_TEMPLATES", "CONNECTIONS", "ORDINARY_TEMPLATES", "STATUS_EVENTS", "World"]

#: Build reasons of starts that a connection brings about.
CONNECTIONS: Final = ("ssh_connection", "vscode_connection", "jetbrains_connection")
_JOBS: Final = ("write-e2e-tests", "review-pr", "fix-flaky-test", "port-to-go", "draft-docs", "triage-bugs")


class World(Provisioner):
    """A Coder deployment in which every action is a method, and time passes only when told to.

    Actions raise ValueError where Coder would answer 409, as for resuming what is running. Each of them makes a build
    that takes half a minute and then succeeds; with `fails` it fails, and with `unfinished` it waits in the queue for
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
        """Create a task and start its workspace, as the dashboard and `coder task create` do, or for another user."""
        self._need_tasks()
        name = f"{self.rng.choice(_JOBS)}-{self.rng.getrandbits(20):05x}"
        chosen = template or self.rng.choice([t for t in self.templates if t.ai])
        workspace = Workspace(self.new_id(), name, owner, chosen, self.now, self._task(name), last_used_at=self.now)
        return self._create(workspace, why, initiator, fails=fails, unfinished=unfinished)

    def create_task_by_pipeline(self, *, fails: bool = False, unfinished: bool = False) -> Workspace:
        """Create a task with the Tasks CLI, by the account of a pipeline."""
        why = "task created by a pipeline with the Tasks CLI"
        return self.create_task(self.user("ci-pipeline"), why=why, fails=fails, unfinished=unfinished)

    def create_workspace(
        self, owner: User, template: Template, *, why: str, fails: bool = False, unfinished: bool = False
    ) -> Workspace:
        """Create an ordinary workspace, whatever its user runs in it and whatever its template is made for."""
        name = f"{owner.username}-{template.name}-{self.rng.getrandbits(16):04x}"
        workspace = Workspace(self.new_id(), name, owner, template, self.now, last_used_at=self.now)
        return self._create(workspace, why, fails=fails, unfinished=unfinished)

    def create_prebuild(self, template: Template, *, fails: bool = False, unfinished: bool = False) -> Workspace:
        """Let Coder start a workspace in advance, which belongs to nobody and to no task. Nobody is notified."""
        owner, name = self.prebuilds_user, f"prebuild-{self.rng.getrandbits(32):08x}"
        workspace = Workspace(self.new_id(), name, owner, template, self.now)
        self._add(workspace)
        build = self._queue(workspace, Transition.START, "initiator", "prebuild")
        self._happened(Kind.STARTED, workspace, build=build)
        self._end(build, fails=fails, unfinished=unfinished)
        return workspace

    def claim(self, workspace: Workspace, owner: User, *, fails: bool = False, unfinished: bool = False) -> Build:
        """Claim a prebuild for a new task: a second start, of a workspace that now has one."""
        self._need_tasks()
        self._need(workspace.owner is self.prebuilds_user and workspace.running, "claim", workspace)
        name = f"{self.rng.choice(_JOBS)}-{self.rng.getrandbits(20):05x}"
        workspace.name, workspace.owner, workspace.task = name, owner, self._task(name)
        workspace.last_used_at = self.now
        build = self._queue(workspace, Transition.START, "initiator", "task created with a prebuild")
        self._happened(Kind.WORKSPACE_CREATED, workspace, build=build)
        return self._end(build, fails=fails, unfinished=unfinished)

    def resume(self, workspace: Workspace, *, fails: bool = False, unfinished: bool = False) -> Build:
        """Resume a paused task by the resume endpoint. Coder announces it when the build is queued.

        Before v2.31.1 there is no endpoint for it, and people start the workspace.
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
        """Pause a task, by its user or because it was idle for too long. Coder asks for no state: it need not run.

        Before v2.31.1 there is no endpoint for it, and people stop the workspace.
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

        What runs already can be started again. With `updates` a schedule brings a new version along, and the
        owner gets a message about it before anybody knows whether the build succeeds.
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
        """Stop and start a running workspace. Returns the start, which alone may fail or wait."""
        self.stop(workspace)
        return self.start(workspace, reason=reason, fails=fails, unfinished=unfinished)

    def update(self, workspace: Workspace, *, fails: bool = False, unfinished: bool = False) -> Build:
        """Start a workspace with a new version of its template, which is published for it; stop it first if need be."""
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
        """Delete a workspace. Deleting a task hides it first, so the delete build belongs to none.

        Where that build fails, a workspace is left over that has no task any more.
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
        # Every task begins by working; Coder does not tell anybody (coderd/agentapi/apps.go).
        if not (first and state == "working"):
            self._happened(Kind.TASK_STATUS, workspace, detail=state)

    def upgrade(self, version: Version) -> None:
        """Install another version, which restarts Coder; v2.37 and later know no tasks any more."""
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
        # Sent when the job is queued, before anybody knows whether the build succeeds (coderd/workspaces.go).
        self._happened(Kind.WORKSPACE_CREATED, workspace, build=build, initiator=initiator)
        self._end(build, fails=fails, unfinished=unfinished)
        return workspace

    def _publish(self, template: Template) -> None:
        """Make a new version of a template the active one."""
        template.version, template.version_id = f"v{int(template.version[1:]) + 1}", self.new_id()
        self.imports.append(VersionImport(template.version_id, template, template.version, self.now))

    def _task(self, name: str) -> Task:
        return Task(self.new_id(), name, self.new_id(), self.now)

    def _need_tasks(self) -> None:
        if self.version >= TASKLESS:
            raise ValueError("this version of Coder has no tasks")

    @staticmethod
    def _need(condition: bool, action: str, workspace: Workspace) -> None:
        """Refuse what Coder refuses: whatever the condition, also while a build is under way or after deletion."""
        if not condition or workspace.busy or workspace.deleted:
            raise ValueError(f"cannot {action} {workspace.name}: it is not in the state for it")
