"""The nouns of a simulated Coder deployment."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """The site roles that decide who is notified."""

    OWNER = "owner"
    TEMPLATE_ADMIN = "template-admin"


class Transition(StrEnum):
    """What a build does to its workspace."""

    START = "start"
    STOP = "stop"
    DELETE = "delete"


class Kind(StrEnum):
    """What can happen that Coder may tell about."""

    WORKSPACE_CREATED = "workspace created"
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
        opted_in: names of the notification templates that are off by default and that this user switched on.
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
class Template:
    """A template.

    Attributes:
        ai: made for Coder Tasks: an admin would list it as an AI template.
    """

    id: str
    name: str
    version: str
    version_id: str
    ai: bool = False
    display_name: str = ""


@dataclass(slots=True)
class Task:
    """A Coder Task.

    Attributes:
        app_id: the app whose agent reports.
        state: last status that the agent reported; empty before the first.
    """

    id: str
    name: str
    app_id: str
    state: str = ""
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """A finished workspace build.

    Attributes:
        reason: Coder's own build reason, such as `initiator`, `autostart` or `task_resume`.
        has_task: the workspace belonged to a task when the build completed.
        why: who wanted it and what for, for people.
    """

    id: str
    workspace_id: str
    number: int
    transition: Transition
    reason: str
    initiator: User
    completed_at: datetime
    succeeded: bool
    has_task: bool
    why: str

    @property
    def counts(self) -> bool:
        """Tell whether Coder counts it as an Agent Workspace Build."""
        return self.transition is Transition.START and self.succeeded and self.has_task


@dataclass(slots=True)
class Workspace:
    """A workspace with its builds, oldest first."""

    id: str
    name: str
    owner: User
    template: Template
    task: Task | None = None
    builds: list[Build] = field(default_factory=list)

    @property
    def running(self) -> bool:
        succeeded = [build for build in self.builds if build.succeeded]
        return bool(succeeded) and succeeded[-1].transition is Transition.START

    @property
    def has_task(self) -> bool:
        return self.task is not None and not self.task.deleted

    @property
    def deleted(self) -> bool:
        return any(build.transition is Transition.DELETE and build.succeeded for build in self.builds)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened, whether or not Coder tells anybody.

    Attributes:
        detail: the pause reason, or the status that a task's agent reported.
    """

    kind: Kind
    at: datetime
    workspace: Workspace
    initiator: User
    build: Build | None = None
    detail: str = ""
