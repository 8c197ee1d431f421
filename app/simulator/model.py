"""The entities of a simulated Coder deployment."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """The roles that determine who is notified and who may read what."""

    OWNER = "owner"
    TEMPLATE_ADMIN = "template-admin"
    AUDITOR = "auditor"
    #: A role in the organization; all others are site roles.
    ORGANIZATION_TEMPLATE_ADMIN = "organization-template-admin"


class Transition(StrEnum):
    """What a build does to its workspace."""

    START = "start"
    STOP = "stop"
    DELETE = "delete"


class JobStatus(StrEnum):
    """The status of a build's job."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class Kind(StrEnum):
    """Events for which Coder may send a notification."""

    WORKSPACE_CREATED = "workspace created"
    WORKSPACE_UPDATED = "workspace updated"
    WORKSPACE_AUTO_UPDATED = "workspace updated automatically"
    STARTED = "started"
    BUILD_FAILED = "build failed"
    DELETED = "deleted"
    TASK_RESUMED = "task resumed"
    TASK_PAUSED = "task paused"
    TASK_STATUS = "task status"


@dataclass(frozen=True, slots=True)
class User:
    """A user.

    Attributes:
        opted_in: names of notification templates that are off by default and that this user switched on.
    """

    id: str
    username: str
    name: str
    roles: frozenset[Role] = frozenset()
    opted_in: frozenset[str] = frozenset()

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    name: str
    display_name: str


@dataclass(slots=True, eq=False)
class Template:
    """A template.

    Attributes:
        organization: the organization that owns it and its workspaces.
        ai: made for Coder Tasks; an admin would list it as an AI template.
        version, version_id: the active version.
    """

    id: str
    name: str
    version: str
    version_id: str
    organization: Organization
    ai: bool = False
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class VersionImport:
    """The job that imported a new version of a template: provisioners do more than build workspaces."""

    version_id: str
    template: Template
    version: str
    at: datetime


@dataclass(slots=True)
class Task:
    """A Coder Task.

    Attributes:
        app_id: the app whose agent reports the status.
        state: the last status that the agent reported; empty before the first.
    """

    id: str
    name: str
    app_id: str
    created_at: datetime
    state: str = ""
    deleted_at: datetime | None = None

    @property
    def deleted(self) -> bool:
        return self.deleted_at is not None


@dataclass(slots=True, eq=False)
class Build:
    """A workspace build; its job may still be running.

    Attributes:
        reason: Coder's own build reason, such as `initiator`, `autostart` or `task_resume`.
        why: who wanted it and for what, as text for people.
        has_task: whether the workspace had a task when the build succeeded.
        has_ai_task: the flag as Coder reports it, which on some versions is about the template; None unless it
            succeeded.
        error: the error with which the job ended; empty if it succeeded or never began.
    """

    id: str
    workspace_id: str
    number: int
    transition: Transition
    reason: str
    initiator: User
    version: str
    version_id: str
    created_at: datetime
    why: str
    status: JobStatus = JobStatus.PENDING
    started_at: datetime | None = None
    completed_at: datetime | None = None
    canceled_at: datetime | None = None
    has_task: bool = False
    has_ai_task: bool | None = None
    error: str = ""

    @property
    def ended(self) -> bool:
        return self.completed_at is not None

    @property
    def succeeded(self) -> bool:
        return self.status is JobStatus.SUCCEEDED

    @property
    def counts(self) -> bool:
        """Return whether this is an Agent Workspace Build."""
        return self.transition is Transition.START and self.succeeded and self.has_task


@dataclass(slots=True, eq=False)
class Workspace:
    """A workspace with its builds, oldest first."""

    id: str
    name: str
    owner: User
    template: Template
    created_at: datetime
    task: Task | None = None
    builds: list[Build] = field(default_factory=list)
    last_used_at: datetime | None = None

    @property
    def latest(self) -> Build:
        return self.builds[-1]

    @property
    def busy(self) -> bool:
        """Return whether a build is in progress; Coder then refuses another one."""
        return bool(self.builds) and not self.latest.ended

    @property
    def running(self) -> bool:
        for build in reversed(self.builds):
            if build.succeeded:
                return build.transition is Transition.START
        return False

    @property
    def has_task(self) -> bool:
        return self.task is not None and not self.task.deleted

    @property
    def deleted(self) -> bool:
        return bool(self.builds) and self.latest.transition is Transition.DELETE and self.latest.succeeded


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened, whether or not Coder sends a notification for it.

    Attributes:
        detail: the reason for a pause, or the status that a task's agent reported.
    """

    kind: Kind
    at: datetime
    workspace: Workspace
    initiator: User
    build: Build | None = None
    detail: str = ""
