"""GET /organizations/{organization}/provisionerjobs: jobs, newest first, including those of deleted workspaces.

The endpoint has no paging. `limit` is the number of jobs, by default 50 (coderd/provisionerjobs.go; seen on v2.31.9).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from app.simulator.api import views
from app.simulator.api.query import BadRequestError, page
from app.simulator.model import JobStatus, Organization
from app.simulator.world import World

_DEFAULT_LIMIT: Final = 50
_STATUSES: Final = frozenset({*JobStatus, "canceling", "unknown"})


def provisioner_jobs(world: World, of: Organization, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
    wanted = frozenset(filter(None, parameters.get("status", "").split(",")))
    if wrong := sorted(wanted - _STATUSES):
        raise BadRequestError("Invalid query parameters.", ("status", f"{wrong[0]!r} is not a valid value"))
    limit, _ = page(parameters)
    found = sorted(_jobs(world, of), key=lambda pair: pair[0], reverse=True)
    listed = [job for _, job in found if not wanted or job["status"] in wanted]
    return listed[: limit or _DEFAULT_LIMIT]


def _jobs(world: World, of: Organization) -> Iterator[tuple[datetime, dict[str, Any]]]:
    for workspace in world.workspaces:
        if workspace.template.organization != of:
            continue
        for build in workspace.builds:
            yield build.created_at, views.job(build, workspace, metadata=True)
    for one in world.imports:
        if one.template.organization != of:
            continue
        yield one.at, views.import_job(world, one)
