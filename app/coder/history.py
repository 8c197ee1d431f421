"""Coder's history of builds, page by page, so that reading can be interrupted and continued."""

from datetime import datetime
from typing import Final
from urllib.parse import quote

from pydantic import TypeAdapter

from app.coder.http import CoderHttp
from app.core.coder.history import AuditBuild, AuditList, Organization, ProvisionerJob
from app.core.coder.values import Listed

AUDIT_PAGE: Final = 100
_API: Final = "/api/v2"
_ORGANIZATIONS: Final = TypeAdapter(Listed[Organization])


class CoderHistory:
    """The history of one deployment. Like those of CoderApi, its methods raise CoderApiError."""

    def __init__(self, http: CoderHttp) -> None:
        self._http = http

    def organizations(self) -> list[Organization]:
        """Return the organizations that the token may see."""
        return self._http.read(_ORGANIZATIONS.validate_json, f"{_API}/organizations")

    def provisioner_jobs(self, organization_id: str, limit: int) -> list[ProvisionerJob]:
        """Return the newest succeeded jobs of an organization, newest first.

        Owners and organization template admins may read them, in every edition; others get NOT_FOUND. Coder accepts a
        limit but no offset (coderd/provisionerjobs.go), so reading older jobs needs a higher limit.
        """
        path = f"{_API}/organizations/{quote(organization_id, safe='')}/provisionerjobs"
        return self._http.read_each(ProvisionerJob.of, path, {"status": "succeeded", "limit": limit})

    def audited_builds(self, since: datetime, to: datetime, offset: int) -> list[AuditBuild]:
        """Return one page of workspace starts in the audit log, newest first; Coder accepts only whole UTC days.

        Owners and auditors may read it. In the AGPL edition it is always empty.
        """
        days = f"date_from:{since:%Y-%m-%d} date_to:{to:%Y-%m-%d}"
        query: dict[str, str | int] = {
            "q": f"resource_type:workspace_build action:start {days}",
            "limit": AUDIT_PAGE,
            "offset": offset,
        }
        return self._http.read(AuditList.model_validate_json, f"{_API}/audit", query).audit_logs

    def keeps_audit_log(self) -> bool:
        """Return whether the audit log has any entry."""
        return bool(self._http.read(AuditList.model_validate_json, f"{_API}/audit", {"limit": 1}).audit_logs)
