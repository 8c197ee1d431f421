"""Lists of workspaces and builds: search, order and paging.

coderd/searchquery and coderd/database/queries: workspaces.sql, workspacebuilds.sql.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from app.simulator.api.query import BadRequestError, boolean, moment, page, terms
from app.simulator.api.views import status
from app.simulator.model import Build, Workspace

T = TypeVar("T")
TASK_SEARCH: Final = frozenset({"owner", "organization", "status"})
_WORKSPACE_SEARCH: Final = frozenset(
    {
        "id",
        "owner",
        "template",
        "name",
        "status",
        "has-agent",
        "dormant",
        "last_used_after",
        "last_used_before",
        "outdated",
        "has-ai-task",
        "has_external_agent",
        "organization",
        "shared",
        "healthy",
    }
)


def search_workspaces(query: str) -> dict[str, str]:
    """Parse the search query of the workspace list; no version has a key for deleted workspaces."""
    return terms(query, _WORKSPACE_SEARCH, "name", "Invalid workspace search query.")


def matches(workspace: Workspace, found: Mapping[str, str], *, by_task: bool) -> bool:
    """Return whether a workspace matches the search."""
    after, before = moment(found, "last_used_after"), moment(found, "last_used_before")
    used = workspace.last_used_at
    has_task = boolean(found, "has-ai-task")
    # v2.28 looks only at the latest build, whose flag is set only once it has succeeded.
    flag = workspace.task is not None if by_task else bool(workspace.latest.has_ai_task)
    return (
        (has_task is None or has_task is flag)
        and found.get("owner", "") in {"", workspace.owner.username.lower()}
        and found.get("template", "") in {"", workspace.template.name.lower()}
        and found.get("name", "") in workspace.name.lower()
        and found.get("status", "") in {"", status(workspace.latest)}
        and (after is None or (used is not None and used >= after))
        and (before is None or used is None or used <= before)
    )


def page_of(items: Sequence[T], parameters: Mapping[str, str]) -> Sequence[T]:
    """Return one page of the items; without a limit, everything from the offset on."""
    limit, offset = page(parameters)
    return items[offset : offset + limit] if limit else items[offset:]


def builds_page(workspace: Workspace, parameters: Mapping[str, str]) -> Sequence[Build]:
    """Return the builds of a workspace, newest first.

    `after_id` returns the builds newer than that one, although it is documented as the last build of the previous page.
    """
    since = moment(parameters, "since", "bad `since` format, must be RFC3339")
    after = parameters.get("after_id")
    if after and not _is_id(after):
        raise BadRequestError("Query parameters have invalid values.", ("after_id", f"{after!r} is not a UUID"))
    bound = next((build.number for build in workspace.builds if build.id == after), 0)
    kept = [build for build in workspace.builds if build.number > bound and (since is None or build.created_at > since)]
    return page_of(kept[::-1], parameters)


def _is_id(text: str) -> bool:
    return len(text) == 36  # noqa: PLR2004 - a UUID
