"""What Coder's REST API says, as far as counting needs it: unknown fields are ignored, missing ones have an answer.

Shapes: Coder, docs/reference/api (tasks.md, enterprise.md, workspaces.md); meanings: coderd/provisionerdserver and
enterprise/coderd/license.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

#: The entitlement feature that is Agent Workspace Builds.
AWB_FEATURE: Final = "managed_agent_limit"
_ENDED: Final = frozenset({"succeeded", "failed", "canceled"})


def _empty_for_null(value: Any) -> Any:
    return "" if value is None else value


def _unwrap_uuid(value: Any) -> Any:
    """Read Go's NullUUID, `{"uuid": …, "valid": …}`, as well as a plain id."""
    if isinstance(value, dict):
        return value.get("uuid") or "" if value.get("valid") else ""
    return _empty_for_null(value)


def _empty_object_for_null(value: Any) -> Any:
    return {} if value is None else value


def _list_for_null(value: Any) -> Any:
    return [] if value is None else value


Text = Annotated[str, BeforeValidator(_empty_for_null)]
Id = Annotated[str, BeforeValidator(_unwrap_uuid)]
Texts = Annotated[list[str], BeforeValidator(_list_for_null)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class JobMetadata(_Model):
    template_name: Text = ""


class Job(_Model):
    status: Text = ""
    completed_at: datetime | None = None
    metadata: Annotated[JobMetadata, BeforeValidator(_empty_object_for_null)] = JobMetadata()


class Build(_Model):
    """One workspace build."""

    id: str
    build_number: int
    transition: Text = ""
    reason: Text = ""
    workspace_id: Text = ""
    workspace_name: Text = ""
    workspace_owner_name: Text = ""
    has_ai_task: bool | None = None
    created_at: datetime | None = None
    job: Job = Job()

    @property
    def ended(self) -> bool:
        return self.job.status in _ENDED

    @property
    def is_awb(self) -> bool:
        """Tell whether this build consumed an Agent Workspace Build.

        A start that succeeded while its workspace had a task; nothing else is looked at (coder/coder PR 21696).
        """
        return self.transition == "start" and self.job.status == "succeeded" and self.has_ai_task is True

    @property
    def counted_at(self) -> datetime | None:
        """Return when Coder counted it: at the end of its job, not at its beginning."""
        return self.job.completed_at


class Workspace(_Model):
    """One workspace with its latest build."""

    id: str
    name: Text = ""
    owner_name: Text = ""
    template_name: Text = ""
    organization_name: Text = ""
    task_id: Id = ""
    latest_build: Build | None = None
    deleted: bool = False


class Task(_Model):
    """One Coder Task; only what leads to its workspace."""

    id: str
    workspace_id: Id = ""
    workspace_name: Text = ""
    owner_name: Text = ""
    template_name: Text = ""
    workspace_build_number: int | None = None


class UsagePeriod(_Model):
    start: datetime
    end: datetime
    issued_at: datetime | None = None


class Feature(_Model):
    """One feature of the entitlements."""

    entitlement: Text = ""
    enabled: bool = False
    actual: int | None = None
    limit: int | None = None
    soft_limit: int | None = None
    hard_limit: int | None = None
    usage_period: UsagePeriod | None = None


class Entitlements(_Model):
    """GET /api/v2/entitlements."""

    features: dict[str, Feature] = Field(default_factory=dict)
    warnings: Texts = Field(default_factory=list)
    errors: Texts = Field(default_factory=list)
    has_license: bool = False
    trial: bool = False
    refreshed_at: datetime | None = None

    @property
    def awb(self) -> Feature | None:
        return self.features.get(AWB_FEATURE)


class BuildInfo(_Model):
    """GET /api/v2/buildinfo, which needs no token."""

    version: Text = ""
    dashboard_url: Text = ""

    @property
    def number(self) -> tuple[int, int, int] | None:
        """Return the version as numbers, such as (2, 30, 1) for `v2.30.1+abc`; None where it does not tell."""
        found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2]), int(found[3])) if found else None


class NotificationTemplate(_Model):
    id: str
    name: Text = ""
    group: Text = ""
    method: Text = ""
    kind: Text = ""
    enabled_by_default: bool = True


class User(_Model):
    """GET /api/v2/users/me."""

    id: str
    username: Text = ""
    roles: list[dict[str, Any]] = Field(default_factory=list)
