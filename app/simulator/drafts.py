"""The notification that Coder sends for each happening: template, recipients, labels, data and targets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.simulator import catalogue
from app.simulator.catalogue import NotificationTemplate
from app.simulator.model import Happening, Kind, Role, User
from app.simulator.world import World


@dataclass(frozen=True, slots=True)
class Draft:
    """A notification before it is rendered for each recipient."""

    template: NotificationTemplate
    recipients: tuple[User, ...]
    labels: Mapping[str, str]
    targets: tuple[str, ...]
    data: Mapping[str, Any] | None = None


def draft_of(world: World, happening: Happening) -> Draft | None:
    """Return the notification of a happening; None if Coder sends none, as for starts by hand or by schedule."""
    make = _DRAFTS.get(happening.kind)
    return make(world, happening) if make else None


def _created(world: World, happening: Happening) -> Draft:
    return _to_admins(world, happening, catalogue.WORKSPACE_CREATED, {})


def _updated(world: World, happening: Happening) -> Draft:
    initiator = happening.initiator
    labels = {
        "organization": happening.workspace.template.organization.name,
        "initiator": initiator.name or initiator.username,
    }
    return _to_admins(world, happening, catalogue.WORKSPACE_UPDATED, labels)


def _auto_updated(_world: World, happening: Happening) -> Draft | None:
    workspace, build = happening.workspace, happening.build
    if build is None:
        return None
    labels = {
        "name": workspace.name,
        "initiator": "autobuild",
        "reason": build.reason,
        "template_version_name": build.version,
        "template_version_message": "None provided",
    }
    targets = _workspace_targets(happening)
    return Draft(catalogue.WORKSPACE_AUTO_UPDATED, (workspace.owner,), labels, targets)


def _to_admins(world: World, happening: Happening, notification: NotificationTemplate, labels: dict[str, str]) -> Draft:
    workspace, template = happening.workspace, happening.workspace.template
    owner = workspace.owner
    return Draft(
        notification,
        tuple(user for user in world.admins if user != happening.initiator),
        {
            **labels,
            "workspace": workspace.name,
            "template": template.name,
            "version": template.version,
            "workspace_owner_username": owner.username,
        },
        _workspace_targets(happening),
        {
            "workspace": {"id": workspace.id, "name": workspace.name},
            "template": {"id": template.id, "name": template.name},
            "template_version": {"id": template.version_id, "name": template.version},
            "owner": {"id": owner.id, "name": owner.name, "email": owner.email},
            "parameters": [],
        },
    )


def _failed(world: World, happening: Happening) -> Draft | None:
    """Notify template admins of failed manual builds, and the owner of every other one.

    Manual means the build reason `initiator`, whatever the transition
    (coderd/provisionerdserver/provisionerdserver.go). A site owner who is not a template admin gets none.
    """
    workspace, build = happening.workspace, happening.build
    if build is None:
        return None
    targets = _workspace_targets(happening)
    if build.reason != "initiator":
        labels = {"name": workspace.name, "reason": build.reason}
        return Draft(catalogue.AUTOBUILD_FAILED, (workspace.owner,), labels, targets)
    return Draft(
        catalogue.MANUAL_BUILD_FAILED,
        tuple(user for user in world.users if Role.TEMPLATE_ADMIN in user.roles),
        {
            "name": workspace.name,
            "template_name": workspace.template.display_name or workspace.template.name,
            "template_version_name": build.version,
            "initiator": build.initiator.username,
            "workspace_owner_username": workspace.owner.username,
            "workspace_build_number": str(build.number),
        },
        targets,
    )


def _deleted(_world: World, happening: Happening) -> Draft | None:
    workspace = happening.workspace
    if happening.initiator == workspace.owner:
        return None
    labels = {"name": workspace.name, "reason": "initiated by user", "initiator": happening.initiator.username}
    return Draft(catalogue.WORKSPACE_DELETED, (workspace.owner,), labels, _workspace_targets(happening))


def _resumed(_world: World, happening: Happening) -> Draft:
    return _task_draft(happening, catalogue.TASK_RESUMED, {})


def _paused(_world: World, happening: Happening) -> Draft:
    return _task_draft(happening, catalogue.TASK_PAUSED, {"pause_reason": happening.detail})


def _task_draft(happening: Happening, template: NotificationTemplate, more: dict[str, str]) -> Draft:
    workspace = happening.workspace
    task_id = {"task_id": workspace.task.id} if workspace.task else {}
    labels = {"task": workspace.name, "workspace": workspace.name, **task_id, **more}
    targets = (workspace.id, workspace.owner.id, workspace.template.organization.id)
    return Draft(template, (workspace.owner,), labels, targets)


def _status(_world: World, happening: Happening) -> Draft:
    workspace = happening.workspace
    app = (workspace.task.app_id,) if workspace.task else ()
    return Draft(
        catalogue.TASK_STATUS[happening.detail],
        (workspace.owner,),
        {"task": workspace.name, "workspace": workspace.name},
        (workspace.id, workspace.owner.id, workspace.template.organization.id, *app),
        {"dedupe_bypass_ts": happening.at.strftime("%Y-%m-%dT%H:%M:00Z")},
    )


def _workspace_targets(happening: Happening) -> tuple[str, ...]:
    workspace = happening.workspace
    template = workspace.template
    return workspace.id, workspace.owner.id, template.id, template.organization.id


_DRAFTS: Final[Mapping[Kind, Callable[[World, Happening], Draft | None]]] = {
    Kind.WORKSPACE_CREATED: _created,
    Kind.WORKSPACE_UPDATED: _updated,
    Kind.WORKSPACE_AUTO_UPDATED: _auto_updated,
    Kind.BUILD_FAILED: _failed,
    Kind.DELETED: _deleted,
    Kind.TASK_RESUMED: _resumed,
    Kind.TASK_PAUSED: _paused,
    Kind.TASK_STATUS: _status,
}
