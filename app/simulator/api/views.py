"""The JSON objects of Coder's API, with the fields that clients read (codersdk)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from app.simulator.catalogue import NotificationTemplate
from app.simulator.deployment import Deployment
from app.simulator.model import Build, JobStatus, Role, Task, Template, Transition, User, VersionImport, Workspace
from app.simulator.world import World

_NEVER: Final = "0001-01-01T00:00:00Z"
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"
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
    """Format a time as Go does: fractions only if there are any, and the zero time for None."""
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
    """Return a WorkspaceBuild; `has_ai_task` is set only once it has succeeded."""
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
        "job": job(of, workspace, metadata=False),
        "reason": of.reason,
        "resources": [],
        "deadline": None,
        "max_deadline": None,
        "status": status(of),
        "daily_cost": 0,
        **({} if of.has_ai_task is None else {"has_ai_task": of.has_ai_task, "has_external_agent": False}),
    }


def job(of: Build, workspace: Workspace, *, metadata: bool) -> dict[str, Any]:
    """Return a ProvisionerJob without fields for what has not happened yet; within a build its metadata are empty."""
    moments = {"started_at": of.started_at, "completed_at": of.completed_at, "canceled_at": of.canceled_at}
    return {
        "id": of.id[:-1] + "0",
        "created_at": moment(of.created_at),
        **{name: moment(at) for name, at in moments.items() if at},
        **({"error": of.error} if of.error else {}),
        "status": of.status.value,
        "type": "workspace_build",
        "organization_id": workspace.template.organization.id,
        "initiator_id": of.initiator.id,
        "tags": {"owner": "", "scope": "organization"},
        "queue_position": 0,
        "queue_size": 0,
        "input": {"workspace_build_id": of.id},
        "metadata": _metadata(workspace.template, of.version, workspace) if metadata else _metadata(),
        "logs_overflowed": False,
    }


def import_job(world: World, of: VersionImport) -> dict[str, Any]:
    """Return the ProvisionerJob that imported a template version."""
    at = moment(of.at)
    return {
        "id": of.version_id[:-1] + "0",
        "created_at": at,
        "started_at": at,
        "completed_at": at,
        "status": JobStatus.SUCCEEDED.value,
        "type": "template_version_import",
        "organization_id": of.template.organization.id,
        "initiator_id": world.users[0].id,
        "tags": {"owner": "", "scope": "organization"},
        "queue_position": 0,
        "queue_size": 0,
        "input": {"template_version_id": of.version_id},
        "metadata": _metadata(of.template, of.version),
        "logs_overflowed": False,
    }


def _metadata(of: Template | None = None, version: str = "", workspace: Workspace | None = None) -> dict[str, Any]:
    return {
        "template_version_name": version,
        "template_id": of.id if of else _NO_ID,
        "template_name": of.name if of else "",
        "template_display_name": of.display_name if of else "",
        "template_icon": "",
        **({"workspace_id": workspace.id, "workspace_name": workspace.name} if workspace else {}),
    }


def workspace(world: World, of: Workspace) -> dict[str, Any]:
    """Return a Workspace with its latest build. Its task id remains after the task or the workspace is deleted."""
    template, owner = of.template, of.owner
    return {
        "id": of.id,
        "created_at": moment(of.created_at),
        "updated_at": moment(of.created_at),
        "owner_id": owner.id,
        "owner_name": owner.username,
        "owner_avatar_url": "",
        "organization_id": template.organization.id,
        "organization_name": template.organization.name,
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
        "allow_renames": False,
        "next_start_at": None,
        "favorite": False,
        "is_prebuild": owner is world.prebuilds_user,
        "task_id": of.task.id if of.task else None,
    }


def task(world: World, of: Workspace, its: Task) -> dict[str, Any]:
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
        "organization_id": of.template.organization.id,
        "owner_id": of.owner.id,
        "owner_name": of.owner.username,
        "template_id": of.template.id,
        "template_name": of.template.name,
        "template_display_name": of.template.display_name,
        "template_version_id": latest.version_id,
        "workspace_id": of.id,
        "workspace_name": of.name,
        "workspace_status": status(latest),
        "workspace_build_number": latest.number,
        "workspace_app_id": its.app_id if reported else None,
        "status": task_status(of),
        "current_state": reported,
    }


def task_status(of: Workspace) -> str:
    """Return the status of a task as its workspace's latest build determines it."""
    latest = of.latest
    if latest.status in {JobStatus.FAILED, JobStatus.CANCELED}:
        return "error"
    if latest.transition is not Transition.START:
        return "paused"
    return {JobStatus.PENDING: "pending", JobStatus.RUNNING: "initializing"}.get(latest.status, "active")


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
        "organization_ids": [organization.id for organization in world.organizations],
        "roles": [
            {"name": role.value, "display_name": role.value.replace("-", " ").title()}
            for role in sorted(of.roles)
            if role is not Role.ORGANIZATION_TEMPLATE_ADMIN
        ],
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
