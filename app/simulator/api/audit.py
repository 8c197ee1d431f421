"""The audit log of a world: builds when they end, workspaces and tasks when they are created.

It needs no licence, but a server without the enterprise code records no entries (seen on v2.31.9).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from typing import Any, Final

from app.simulator.api import views
from app.simulator.api.query import BadRequestError, page, terms
from app.simulator.model import Build, Organization, User, Workspace
from app.simulator.versions import Behaviour
from app.simulator.world import World

_SEARCH: Final = frozenset(
    {
        "request_id",
        "resource_id",
        "resource_target",
        "resource_type",
        "action",
        "username",
        "email",
        "date_from",
        "date_to",
        "organization",
        "build_reason",
    }
)
#: The number of entries that Coder returns if no limit is given.
_DEFAULT_LIMIT: Final = 100
_MESSAGE: Final = "Invalid audit search query."


def audit_log(world: World, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer to GET /audit."""
    found = terms(parameters.get("q", ""), _SEARCH, "resource_type", _MESSAGE)
    first, last = _day(found, "date_from"), _day(found, "date_to")
    recorded = [] if world.agpl else world.workspaces
    entries = [
        (at, {**entry, **_organization(workspace.template.organization)})
        for workspace in recorded
        for at, entry in _entries(world, workspace)
    ]
    entries = [
        (at, entry)
        for at, entry in entries
        if (first is None or at >= datetime.combine(first, time.min, UTC))
        and (last is None or at <= datetime.combine(last, time(23, 59, 59), UTC))
        and all(_shown(entry, key) == value for key, value in found.items() if not key.startswith("date_"))
    ]
    entries.sort(key=lambda pair: pair[0], reverse=True)
    limit, offset = page(parameters)
    listed = [entry for _, entry in entries[offset : offset + (limit or _DEFAULT_LIMIT)]]
    cap = {"count_cap": 0} if world.does(Behaviour.COUNT_CAP) else {}
    return {"audit_logs": listed, "count": len(entries), **cap}


def _entries(world: World, of: Workspace) -> Iterator[tuple[datetime, dict[str, Any]]]:
    # Coder leaves the owner empty here.
    fields = {"workspace_name": of.name, "workspace_id": of.id, "workspace_owner": ""}
    maker = of.builds[0].initiator if of.builds else of.owner
    yield of.created_at, _entry(world, of.created_at, "workspace", of.id, of.name, "create", maker, fields)
    if of.task:
        its, owner = of.task, of.owner
        yield its.created_at, _entry(world, its.created_at, "task", its.id, its.name, "create", owner, {})
        if its.deleted_at:
            yield its.deleted_at, _entry(world, its.deleted_at, "task", its.id, its.name, "delete", owner, {})
    for build in of.builds:
        if build.completed_at:
            yield build.completed_at, _build_entry(world, build, build.completed_at, fields)


def _build_entry(world: World, build: Build, at: datetime, fields: dict[str, str]) -> dict[str, Any]:
    more = {**fields, "build_number": str(build.number), "build_reason": build.reason}
    action = build.transition.value
    entry = _entry(world, at, "workspace_build", build.id, "", action, build.initiator, more)
    return {**entry, "status_code": 200 if build.succeeded else 500}


def _entry(
    world: World,
    at: datetime,
    kind: str,
    resource_id: str,
    target: str,
    action: str,
    user: User,
    fields: dict[str, str],
) -> dict[str, Any]:
    return {
        "id": resource_id,
        "request_id": resource_id,
        "time": views.moment(at),
        "ip": "127.0.0.1",
        "user_agent": "",
        "resource_type": kind,
        "resource_id": resource_id,
        "resource_target": target,
        "resource_icon": "",
        "resource_link": "",
        "action": action,
        "diff": {},
        "status_code": 200,
        "additional_fields": fields,
        "description": f"{{user}} {action} {kind}",
        "is_deleted": False,
        "user": views.user(world, user),
    }


def _organization(of: Organization) -> dict[str, Any]:
    names = {"name": of.name, "display_name": of.display_name, "icon": ""}
    return {"organization_id": of.id, "organization": {"id": of.id, **names}}


def _shown(entry: dict[str, Any], key: str) -> str:
    """Return the value that a search key is compared with, in lower case."""
    if key in {"username", "email"}:
        return str(entry["user"][key]).lower()
    if key == "build_reason":
        return str(entry["additional_fields"].get(key, ""))
    if key == "organization":
        return str(entry["organization"]["name"])
    return str(entry[key]).lower()


def _day(found: Mapping[str, str], key: str) -> Any:
    if key not in found:
        return None
    try:
        return datetime.strptime(found[key], "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise BadRequestError(_MESSAGE, (key, "must be a date such as 2006-01-02")) from None
