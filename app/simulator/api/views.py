"""The objects of Coder's API as JSON, as far as anybody reads them: codersdk."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from app.simulator.catalogue import NotificationTemplate
from app.simulator.deployment import Deployment
from app.simulator.model import Build, JobStatus, Role, Task, Transition, User, Workspace
from app.simulator.world import World

_NEVER: Final = "0001-01-01T00:00:00Z"
_ORGANIZATION: Final = "coder"
_UNDER_WAY: Final[Mapping[Transition, str]] = {
    Transition.START: "starting",
    Transition.STOP: "stopping",
    Transition.DELETE: "deleting",
}
_DONE: Final[Mapping[Transition, str]] = {
    Transition.START: "running",
    Transition.STOP: "stopped",
    Transition.DELETE: "deleted",
}


def moment(at: datetime | None) -> str:
    """Write a time as Go does: fractions only where there are any, and the zero time for none."""
    if at is None:
        return _NEVER
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return text + "Z"


def status(build: Build) -> str:
    """Return the status of a workspace whose latest build this is."""
    if build.status is JobStatus.RUNNING:
        return _UNDER_WAY[build.transition]
    return _DONE[build.transition] if build.succeeded else build.status.value


def build(world: World, of: Build) -> dict[str, Any]:
    """Return a WorkspaceBuild."""
    workspace = world.workspace(of.workspace_id)
    if workspace is None:
        raise LookupError(of.workspace_id)
    return {
        "id": of.id,
        "created_at": moment(of.created_at),
        "updated_at": moment(of.completed_at or of.started_at or of.created_at),
        "workspace_id": workspace.id,
        "workspace_name": workspace.name,
        "workspace_owner_id": workspace.owner.id,
        "workspace_owner_name": workspace.owner.username,
        "workspace_owner_avatar_url": "",
        "template_version_id": of.version_id,
        "template_version_name": of.version,
        "template_version_preset_id": None,
        "build_number": of.number,
        "transition": of.transition.value,
        "initiator_id": of.initiator.id,
        "initiator_name": of.initiator.username,
        "job": _job(world, of, workspace),
        "reason": of.reason,
        "resources": [],
        "status": status(of),
        "daily_cost": 0,
        "has_ai_task": of.has_ai_task,
        "has_external_agent": None if of.has_ai_task is None else False,
    }


def _job(world: World, of: Build, workspace: Workspace) -> dict[str, Any]:
    """Return a ProvisionerJob; what has not happened yet is missing."""
    template = workspace.template
    moments = {"started_at": of.started_at, "completed_at": of.completed_at, "canceled_at": of.canceled_at}
    return {
        "id": of.id[:-1] + "0",
        "created_at": moment(of.created_at),
        **{name: moment(at) for name, at in moments.items() if at},
        **({"error": "terraform apply: exit status 1"} if of.status is JobStatus.FAILED else {}),
        "status": of.status.value,
        "type": "workspace_build",
        "organization_id": world.organization_id,
        "initiator_id": of.initiator.id,
        "tags": {"owner": "", "scope": "organization"},
        "queue_position": 0,
        "queue_size": 0,
        "input": {"workspace_build_id": of.id},
        "metadata": {
            "template_id": template.id,
            "template_name": template.name,
            "template_display_name": template.display_name,
            "template_version_name": of.version,
            "workspace_id": workspace.id,
            "workspace_name": workspace.name,
            "workspace_build_transition": of.transition.value,
        },
    }


def workspace(world: World, of: Workspace, *, wrapped_ids: bool) -> dict[str, Any]:
    """Return a Workspace with its latest build."""
    template, owner = of.template, of.owner
    return {
        "id": of.id,
        "created_at": moment(of.created_at),
        "updated_at": moment(of.created_at),
        "owner_id": owner.id,
        "owner_name": owner.username,
        "owner_avatar_url": "",
        "organization_id": world.organization_id,
        "organization_name": _ORGANIZATION,
        "template_id": template.id,
        "template_name": template.name,
        "template_display_name": template.display_name,
        "template_active_version_id": template.version_id,
        "latest_build": build(world, of.latest),
        "latest_app_status": None,
        "outdated": of.latest.version_id != template.version_id,
        "name": of.name,
        "last_used_at": moment(of.last_used_at),
        "deleting_at": None,
        "dormant_at": None,
        "health": {"healthy": True, "failing_agents": []},
        "automatic_updates": "never",
        "favorite": False,
        "is_prebuild": owner is world.prebuilds_user,
        "task_id": null_uuid(of.task.id if of.has_task and of.task else None, wrapped=wrapped_ids),
    }


def task(world: World, of: Workspace, its: Task, *, wrapped_ids: bool) -> dict[str, Any]:
    """Return a Task."""
    latest = of.latest
    reported = {"state": its.state, "message": "", "uri": "", "timestamp": moment(world.now)} if its.state else None
    return {
        "id": its.id,
        "created_at": moment(its.created_at),
        "updated_at": moment(latest.completed_at or latest.created_at),
        "name": its.name,
        "display_name": its.name,
        "initial_prompt": "",
        "organization_id": world.organization_id,
        "owner_id": of.owner.id,
        "owner_name": of.owner.username,
        "template_id": of.template.id,
        "template_name": of.template.name,
        "template_display_name": of.template.display_name,
        "template_version_id": latest.version_id,
        "workspace_id": null_uuid(of.id, wrapped=wrapped_ids),
        "workspace_name": of.name,
        "workspace_status": status(latest),
        "workspace_build_number": latest.number,
        "workspace_app_id": null_uuid(its.app_id, wrapped=wrapped_ids),
        "status": task_status(of),
        "current_state": reported,
    }


def task_status(of: Workspace) -> str:
    """Return what the latest build makes of a task."""
    latest = of.latest
    if latest.status in {JobStatus.FAILED, JobStatus.CANCELED}:
        return "error"
    if latest.transition is not Transition.START:
        return "paused"
    return {JobStatus.PENDING: "pending", JobStatus.RUNNING: "initializing"}.get(latest.status, "active")


def null_uuid(value: str | None, *, wrapped: bool) -> Any:
    """Return an optional id as Go's NullUUID is written, or wrapped as the API's documentation shows it."""
    if not wrapped:
        return value
    return {"uuid": value or "00000000-0000-0000-0000-000000000000", "valid": value is not None}


def user(world: Deployment, of: User) -> dict[str, Any]:
    """Return a User."""
    return {
        "id": of.id,
        "username": of.username,
        "name": of.name,
        "email": of.email,
        "created_at": moment(datetime(2026, 1, 1, tzinfo=UTC)),
        "last_seen_at": moment(world.now),
        "status": "active",
        "login_type": "password",
        "organization_ids": [world.organization_id],
        "roles": [{"name": role.value, "display_name": role.value.title()} for role in Role if role in of.roles],
    }


def notification_template(world: Deployment, of: NotificationTemplate) -> dict[str, Any]:
    """Return a notification template."""
    return {
        "id": of.id,
        "name": of.name,
        "title_template": of.title,
        "body_template": of.body,
        "actions": "[]",
        "group": of.group,
        "method": world.methods.get(of.id, ""),
        "kind": "system",
        "enabled_by_default": world.on_by_default(of),
    }
