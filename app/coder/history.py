"""Coder's memory of past builds, page by page, so that reading it may stop anywhere and continue later."""

from datetime import datetime
from typing import Final
from urllib.parse import quote

from pydantic import TypeAdapter

from app.coder.http import CoderHttp
from app.core.coder.history import AuditBuild, AuditList, Organization, ProvisionerJob
from app.core.coder.shapes import Listed

AUDIT_PAGE: Final = 100
_API: Final = "/api/v2"
_ORGANIZATIONS: Final = TypeAdapter(Listed[Organization])
_JOBS: Final = TypeAdapter(Listed[ProvisionerJob])


class CoderHistory:
    """The past of one deployment. Every method raises CoderApiError as those of CoderApi do."""

    def __init__(self, http: CoderHttp) -> None:
        self._http = http

    def organizations(self) -> list[Organization]:
        """Return the organizations that the token may see."""
        return self._http.read(_ORGANIZATIONS.validate_json, f"{_API}/organizations")

    def provisioner_jobs(self, organization_id: str, limit: int) -> list[ProvisionerJob]:
        """Return the newest jobs of an organization that succeeded, newest first.

        Owners and organization template admins may ask, in every edition; others get NOT_FOUND. Coder takes a limit but
        no offset (coderd/provisionerjobs.go), so whoever wants older ones asks for more.
        """
        path = f"{_API}/organizations/{quote(organization_id, safe='')}/provisionerjobs"
        return self._http.read(_JOBS.validate_json, path, {"status": "succeeded", "limit": limit})

    def audited_builds(self, since: datetime, to: datetime, offset: int) -> list[AuditBuild]:
        """Return one page of the starts of workspaces in the audit log, newest first; Coder takes whole UTC days only.

        Owners and auditors may ask. The AGPL edition answers with nothing, whatever happened.
        """
        days = f"date_from:{since:%Y-%m-%d} date_to:{to:%Y-%m-%d}"
        query: dict[str, str | int] = {
            "q": f"resource_type:workspace_build action:start {days}",
            "limit": AUDIT_PAGE,
            "offset": offset,
        }
        return self._http.read(AuditList.model_validate_json, f"{_API}/audit", query).audit_logs

    def keeps_audit_log(self) -> bool:
        """Return whether there is any entry."""
        return bool(self._http.read(AuditList.model_validate_json, f"{_API}/audit", {"limit": 1}).audit_logs)
