"""What Coder reports about past builds: its provisioner jobs and its audit log, deleted workspaces included.

Shapes: Coder, docs/reference/api/organizations.md and enterprise.md; seen on v2.31.9 and v2.29.6.
"""

import re
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, Field, model_validator

from app.core.coder.shapes import CoderModel, Id, Listed, Shape


class HistorySource(StrEnum):
    """What reports workspaces that were created and deleted between two passes."""

    PROVISIONER_JOBS = "provisionerjobs"
    AUDIT = "audit"
    NONE = "none"


#: What each source means for the count, for people.
SOURCE_WORDS = {
    HistorySource.PROVISIONER_JOBS: "Deleted workspaces are found by Coder's provisioner jobs.",
    HistorySource.AUDIT: "Deleted workspaces are found by Coder's audit log.",
    HistorySource.NONE: "Nothing tells of deleted workspaces: the builds of a task that is created and deleted between "
    "two passes, and of which no notification arrives, stay unseen. The roles Owner or Organization Template Admin let "
    "the token read provisioner jobs, the role Auditor the audit log of an edition that keeps one.",
}


class Organization(CoderModel):
    id: str
    name: str = ""


class ProvisionerJobMetadata(CoderModel):
    workspace_id: Id = ""


class ProvisionerJob(CoderModel):
    """One job of a provisioner; only what leads to the workspace that it built."""

    id: str
    created_at: AwareDatetime
    type: str = ""
    metadata: ProvisionerJobMetadata = ProvisionerJobMetadata()

    @property
    def workspace_id(self) -> str:
        """Return the workspace that it built; nothing for jobs of templates."""
        return self.metadata.workspace_id if self.type == "workspace_build" else ""


class AuditBuild(CoderModel):
    """One workspace build as the audit log remembers it; old entries do not name all of it."""

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
        # Coder writes the number as text, and "unknown" where it does not know.
        number = str(more.get("build_number"))
        names = ("workspace_id", "workspace_name", "workspace_owner")
        lifted = {name: more.get(name) for name in names if isinstance(more.get(name), str)}
        return {**data, **lifted, "build_number": number if re.fullmatch(r"[0-9]{1,9}", number) else None}


class AuditList(Shape):
    """GET /api/v2/audit. Its count is capped in newer versions."""

    audit_logs: Listed[AuditBuild]
    count: int | None = None
