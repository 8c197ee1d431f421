"""The parts of Coder's REST API that counting uses: unknown fields are ignored, missing ones have a default.

Shapes: Coder, docs/reference/api (tasks.md, enterprise.md, workspaces.md); meanings: coderd/provisionerdserver and
enterprise/coderd/license.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.core.coder.values import Id, Listed, OrNull, Text

#: The entitlement feature for Agent Workspace Builds.
AWB_FEATURE: Final = "managed_agent_limit"
#: A key among the names of a workspace: it has or had a task.
HAS_TASK: Final = "task"
_ENDED: Final = frozenset({"succeeded", "failed", "canceled"})


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict) and None in value.values():
        return {key: item for key, item in value.items() if item is not None}
    return value


class Shape(BaseModel):
    """Ignores all other fields that Coder writes."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class CoderModel(Shape):
    """Treats fields that Coder omits and fields that are null alike: they get their default."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_missing(cls, data: Any) -> Any:
        return _without_nulls(data)


class JobMetadata(Shape):
    template_name: Text = ""


class Job(Shape):
    status: Text = ""
    organization_id: Id = ""
    created_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None
    metadata: Annotated[JobMetadata, OrNull(JobMetadata)] = JobMetadata()


class Build(Shape):
    """One workspace build."""

    id: str
    build_number: int
    transition: Text = ""
    reason: Text = ""
    workspace_id: Text = ""
    workspace_name: Text = ""
    workspace_owner_id: Id = ""
    workspace_owner_name: Text = ""
    has_ai_task: bool | None = None
    created_at: AwareDatetime | None = None
    job: Annotated[Job, OrNull(Job)] = Job()

    @property
    def ended(self) -> bool:
        return self.job.status in _ENDED

    @property
    def is_awb(self) -> bool:
        """Return whether this build consumed an Agent Workspace Build, given that its workspace has or had a task.

        True for a start that succeeded while its workspace had a task; nothing else is checked (coder/coder PR 21696).
        For builds made by the versions in FLAG_MEANS_TEMPLATE the flag has another meaning.
        """
        return self.transition == "start" and self.job.status == "succeeded" and self.has_ai_task is True

    @property
    def counted_at(self) -> datetime | None:
        """Return when Coder counted it: at the end of its job, not at the beginning."""
        return self.job.completed_at


class Workspace(Shape):
    """One workspace with its latest build.

    Attributes:
        task_id: the task that it has or had, even if deleted; the list of v2.28 omits it for some workspaces.
    """

    id: str
    name: Text = ""
    owner_id: Id = ""
    owner_name: Text = ""
    template_id: Id = ""
    template_name: Text = ""
    organization_id: Id = ""
    organization_name: Text = ""
    task_id: Id = ""
    latest_build: Build | None = None

    @property
    def has_task_field(self) -> bool:
        """Whether Coder reports the task; it does from v2.28 on, until tasks were removed."""
        return "task_id" in self.model_fields_set

    @property
    def names(self) -> dict[str, str]:
        """Return the known names that are kept for its records and that builds do not contain."""
        known = {
            "owner": self.owner_name.lower(),
            "owner_id": self.owner_id,
            "template": self.template_name,
            "template_id": self.template_id,
            "organization": self.organization_name,
            "organization_id": self.organization_id,
        }
        return {which: name for which, name in {**known, HAS_TASK: "yes" if self.task_id else ""}.items() if name}

    @property
    def deleted(self) -> bool:
        """Return whether its last build deleted it; Coder has no field for this."""
        latest = self.latest_build
        return latest is not None and latest.transition == "delete" and latest.job.status == "succeeded"


class Task(CoderModel):
    """One Coder Task, reduced to what identifies its workspace."""

    id: str
    workspace_id: Id = ""
    workspace_name: str = ""
    owner_name: str = ""
    template_name: str = ""
    workspace_build_number: int | None = None


class WorkspaceList(Shape):
    workspaces: Listed[Workspace]
    count: int | None = None


class TaskList(Shape):
    tasks: Listed[Task]


class UsagePeriod(CoderModel):
    start: AwareDatetime
    end: AwareDatetime
    issued_at: AwareDatetime | None = None


class Feature(CoderModel):
    """One feature of the entitlements."""

    entitlement: str = ""
    enabled: bool = False
    actual: int | None = None
    limit: int | None = None
    soft_limit: int | None = None
    hard_limit: int | None = None
    usage_period: UsagePeriod | None = None


class Entitlements(CoderModel):
    """GET /api/v2/entitlements."""

    features: Annotated[dict[str, Feature], BeforeValidator(_without_nulls)] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    errors: list[str] = Field(default_factory=list)
    has_license: bool = False
    trial: bool = False
    refreshed_at: AwareDatetime | None = None

    @property
    def awb(self) -> Feature | None:
        return self.features.get(AWB_FEATURE)


class BuildInfo(CoderModel):
    """GET /api/v2/buildinfo, which needs no token."""

    version: str = ""
    dashboard_url: str = ""

    @property
    def number(self) -> tuple[int, int, int] | None:
        """Return the version as numbers, such as (2, 30, 1) for `v2.30.1+abc`; None if it cannot be parsed."""
        found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2]), int(found[3])) if found else None
