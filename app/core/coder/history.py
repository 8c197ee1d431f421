"""Coder's reports about past builds, including deleted workspaces: provisioner jobs and the audit log.

Shapes: Coder, docs/reference/api/organizations.md and enterprise.md; seen on v2.31.9 and v2.29.6.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import AwareDatetime, Field, model_validator

from app.core.coder.shapes import CoderModel, Shape
from app.core.coder.values import Id, Listed, OrNull, Text


class HistorySource(StrEnum):
    """The source of data about workspaces that were created and deleted between two passes."""

    PROVISIONER_JOBS = "provisionerjobs"
    AUDIT = "audit"
    NONE = "none"


#: What each source means for the count, in words.
SOURCE_WORDS = {
    HistorySource.PROVISIONER_JOBS: "Deleted workspaces are found in Coder's provisioner jobs.",
    HistorySource.AUDIT: "Deleted workspaces are found in Coder's audit log.",
    HistorySource.NONE: "Coder's API does not show deleted workspaces: a task that is created and deleted between two "
    "passes is missed unless a notification of it arrives. With the role Owner or Organization Template Admin the "
    "token can read provisioner jobs; with the role Auditor, the audit log, if this edition has one.",
}


class Organization(CoderModel):
    id: str
    name: str = ""


class _JobMetadata(Shape):
    workspace_id: Id = ""


class _Job(Shape):
    id: str
    created_at: AwareDatetime
    type: Text = ""
    metadata: Annotated[_JobMetadata, OrNull(_JobMetadata)] = _JobMetadata()


class ProvisionerJob(NamedTuple):
    """One provisioner job, reduced to what identifies the workspace that it built; there may be tens of thousands.

    Attributes:
        created_at: in seconds since the epoch.
        workspace_id: the id of the workspace that it built; empty for template jobs.
    """

    created_at: float
    workspace_id: str

    @classmethod
    def of(cls, job: Any) -> "ProvisionerJob":
        """Read one element of GET /api/v2/organizations/{organization}/provisionerjobs.

        Raises:
            pydantic.ValidationError: it has another shape.
        """
        read = _Job.model_validate(job)
        return cls(read.created_at.timestamp(), read.metadata.workspace_id if read.type == "workspace_build" else "")


class AuditBuild(CoderModel):
    """One workspace build in the audit log; old entries lack some fields."""

    id: str
    time: AwareDatetime
    build_id: Id = Field("", alias="resource_id")
    workspace_id: Id = ""
    workspace_name: str = ""
    workspace_owner: str = ""
    build_number: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _lift_additional_fields(cls, data: Any) -> Any:
        more = data.get("additional_fields") if isinstance(data, dict) else None
        if not isinstance(more, dict):
            return data
        # Coder writes the number as text, and "unknown" if it does not know it.
        number = str(more.get("build_number"))
        names = ("workspace_id", "workspace_name", "workspace_owner")
        lifted = {name: more.get(name) for name in names if isinstance(more.get(name), str)}
        return {**data, **lifted, "build_number": number if re.fullmatch(r"[0-9]{1,9}", number) else None}


class AuditList(Shape):
    """GET /api/v2/audit. Its count is capped in newer versions."""

    audit_logs: Listed[AuditBuild]
    count: int | None = None
