"""How builds are queued and end, and how they affect the count."""

from datetime import datetime, timedelta

from app.simulator.deployment import START, Deployment
from app.simulator.licence import Licence, UsageEvent
from app.simulator.model import Build, Happening, JobStatus, Kind, Transition, User, VersionImport, Workspace
from app.simulator.versions import CURRENT, Behaviour, Version


class Provisioner(Deployment):
    """A deployment that runs builds.

    Attributes:
        happenings: everything that happened, whether or not Coder sends a notification for it.
        workspaces: all workspaces, including deleted ones.
        imports: the template versions that were published later.
    """

    def __init__(
        self, seed: int, *, start: datetime = START, display_names: bool = False, version: Version = CURRENT
    ) -> None:
        super().__init__(seed, start=start, display_names=display_names, version=version)
        self.happenings: list[Happening] = []
        self.workspaces: list[Workspace] = []
        self.imports: list[VersionImport] = []
        self._by_id: dict[str, Workspace] = {}

    @property
    def awbs(self) -> list[Build]:
        """All true Agent Workspace Builds, oldest first."""
        counted = [build for workspace in self.workspaces for build in workspace.builds if build.counts]
        return sorted(counted, key=lambda build: (build.completed_at or build.created_at, build.id))

    def counted(self, licence: Licence) -> list[Build]:
        """Return the true Agent Workspace Builds of a licence's period, which Coder delimits by whole UTC days."""
        return [build for build in self.awbs if licence.covers(build.completed_at or build.created_at)]

    def workspace(self, workspace_id: str) -> Workspace | None:
        return self._by_id.get(workspace_id)

    def run(self, build: Build, at: datetime | None = None) -> None:
        """Let a provisioner start a queued build."""
        self._need_unfinished(build)
        self.advance_to(at or self.now)
        build.status = JobStatus.RUNNING
        build.started_at = self.now

    def finish(self, build: Build, at: datetime | None = None, *, succeeded: bool = True) -> None:
        """End a queued or running build, at the given time or now."""
        self._need_unfinished(build)
        self.advance_to(at or self.now)
        workspace = self._by_id[build.workspace_id]
        build.started_at = build.started_at or build.created_at
        build.completed_at = self.now
        if not succeeded:
            self._fail(build, "terraform apply: exit status 1")
            return
        build.status = JobStatus.SUCCEEDED
        build.has_task = workspace.has_task
        build.has_ai_task = workspace.template.ai if self.does(Behaviour.FLAGS_TEMPLATES) else build.has_task
        tallied = workspace.template.ai if self.does(Behaviour.TALLIES_TEMPLATES) else build.has_task
        if build.transition is Transition.START and tallied:
            self._tally()
        if build.transition is Transition.DELETE:
            self._happened(Kind.DELETED, workspace, build=build, initiator=build.initiator)

    def cancel(self, build: Build, at: datetime | None = None) -> None:
        """Cancel a build, which ends at once. A queued one sends no message; a running one is reported as failed."""
        self._need_unfinished(build)
        self.advance_to(at or self.now)
        build.canceled_at = build.completed_at = self.now
        if build.status is JobStatus.PENDING:
            build.status = JobStatus.CANCELED
        else:
            self._fail(build, "canceled")

    def _fail(self, build: Build, error: str) -> None:
        build.status, build.error = JobStatus.FAILED, error
        self._happened(Kind.BUILD_FAILED, self._by_id[build.workspace_id], build=build, initiator=build.initiator)

    def _tally(self) -> None:
        if not self.agpl and (self.usage_since is None or self.now >= self.usage_since):
            self.usage.append(UsageEvent(self.now))

    def _add(self, workspace: Workspace) -> None:
        self.workspaces.append(workspace)
        self._by_id[workspace.id] = workspace

    def _queue(
        self, workspace: Workspace, transition: Transition, reason: str, why: str, initiator: User | None = None
    ) -> Build:
        """Queue a build: a start uses the template's active version, anything else the workspace's current one."""
        template = workspace.template
        same = workspace.builds and transition is not Transition.START
        build = Build(
            id=self.new_id(),
            workspace_id=workspace.id,
            number=len(workspace.builds) + 1,
            transition=transition,
            reason=reason,
            initiator=initiator or workspace.owner,
            version=workspace.latest.version if same else template.version,
            version_id=workspace.latest.version_id if same else template.version_id,
            created_at=self.now,
            why=why,
        )
        workspace.builds.append(build)
        return build

    def _end(self, build: Build, *, fails: bool, unfinished: bool) -> Build:
        """Let time pass and end the build, unless the caller will end it."""
        if not unfinished:
            self.now += timedelta(seconds=round(self.rng.uniform(20, 50), 6))
            self.finish(build, succeeded=not fails)
        return build

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

    @staticmethod
    def _need_unfinished(build: Build) -> None:
        if build.ended:
            raise ValueError(f"build {build.number} of {build.workspace_id} has already ended")
