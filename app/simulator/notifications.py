"""What Coder enqueues for each happening: one message per recipient with its own id, the same one once a day."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app.simulator import catalogue
from app.simulator.catalogue import NotificationTemplate
from app.simulator.model import Happening, Kind, Role, User
from app.simulator.world import World

BASE_URL: Final = "https://coder.example.com"


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook message.

    Attributes:
        id: `msg_id`, the same on every attempt.
        happening: what it tells of.
    """

    id: str
    name: str
    recipient: User
    body: bytes
    happening: Happening


@dataclass(frozen=True, slots=True)
class _Draft:
    """A notification before it is addressed."""

    template: NotificationTemplate
    recipients: tuple[User, ...]
    labels: Mapping[str, str]
    targets: tuple[str, ...]
    data: Mapping[str, Any] | None = None


class Outbox:
    """Coder's `notification_messages` for one world.

    Attributes:
        messages: everything enqueued so far, in order.
        silent: happenings that no message tells of.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = random.Random(world.id)  # not the world's own, which would then depend on who listens
        self._read = 0
        self._hashes: set[str] = set()
        self.messages: list[Message] = []
        self.silent: list[Happening] = []

    def collect(self) -> list[Message]:
        """Enqueue what happened since the last call and return the new messages."""
        news = self._world.happenings[self._read :]
        self._read += len(news)
        before = len(self.messages)
        for happening in news:
            enqueued = list(self._enqueue(happening))
            self.messages += enqueued
            if not enqueued:
                self.silent.append(happening)
        return self.messages[before:]

    def _enqueue(self, happening: Happening) -> Iterator[Message]:
        draft = _DRAFTS.get(happening.kind, _nothing)(self._world, happening)
        if draft is None:
            return
        for user in draft.recipients:
            if not self._world.tells(user, draft.template):
                continue
            payload = _payload(draft, user)
            # A unique index over template, user, payload, targets and UTC day drops what is the same
            # (coderd/notifications/enqueuer.go, ErrDuplicate).
            day = happening.at.date().isoformat()
            digest = hashlib.sha256(json.dumps([payload, day], sort_keys=True).encode()).hexdigest()
            if digest in self._hashes:
                continue
            self._hashes.add(digest)
            message_id = str(UUID(int=self._rng.getrandbits(128), version=4))
            body = json.dumps(_envelope(message_id, draft, payload)).encode()
            yield Message(message_id, draft.template.name, user, body, happening)


def _payload(draft: _Draft, user: User) -> dict[str, Any]:
    words = {**draft.labels, "base": BASE_URL, "user_username": user.username}
    return {
        "_version": "1.2",
        "notification_name": draft.template.name,
        "notification_template_id": draft.template.id,
        "user_id": user.id,
        "user_email": user.email,
        "user_name": user.name or user.username,
        "user_username": user.username,
        "actions": [{"label": label, "url": url.format(**words)} for label, url in draft.template.actions],
        "labels": dict(draft.labels),
        "data": draft.data,
        "targets": list(draft.targets),
    }


def _envelope(message_id: str, draft: _Draft, payload: dict[str, Any]) -> dict[str, Any]:
    template = draft.template
    title, body = template.title.format(**draft.labels), template.body.format(**draft.labels)
    marked = {key: f"**{value}**" if template.bold else value for key, value in draft.labels.items()}
    return {
        "_version": "1.1",
        "msg_id": message_id,
        "payload": payload,
        "title": title,
        "title_markdown": title,
        "body": body,
        "body_markdown": template.body.format(**marked),
    }


def _nothing(_world: World, _happening: Happening) -> None:
    """Coder tells nobody: starts by hand, by a connection or by schedule."""


def _created(world: World, happening: Happening) -> _Draft:
    return _to_admins(world, happening, catalogue.WORKSPACE_CREATED, {})


def _updated(world: World, happening: Happening) -> _Draft:
    labels = {"organization": "coder", "initiator": happening.initiator.name}
    return _to_admins(world, happening, catalogue.WORKSPACE_UPDATED, labels)


def _to_admins(
    world: World, happening: Happening, notification: NotificationTemplate, labels: dict[str, str]
) -> _Draft:
    workspace, template = happening.workspace, happening.workspace.template
    owner = workspace.owner
    return _Draft(
        notification,
        tuple(user for user in world.admins if user != happening.initiator),
        {
            **labels,
            "workspace": workspace.name,
            "template": template.name,
            "version": template.version,
            "workspace_owner_username": owner.username,
        },
        _workspace_targets(world, happening),
        {
            "workspace": {"id": workspace.id, "name": workspace.name},
            "template": {"id": template.id, "name": template.name},
            "template_version": {"id": template.version_id, "name": template.version},
            "owner": {"id": owner.id, "name": owner.username, "email": owner.email},
            "parameters": [],
        },
    )


def _failed(world: World, happening: Happening) -> _Draft | None:
    """Tell template admins of failed manual builds, and the owner of every other one.

    Manual means the build reason `initiator` and nothing else (coderd/provisionerdserver/provisionerdserver.go).
    """
    workspace, build = happening.workspace, happening.build
    if build is None:
        return None
    targets = _workspace_targets(world, happening)
    if build.reason != "initiator":
        labels = {"name": workspace.name, "reason": build.reason}
        return _Draft(catalogue.AUTOBUILD_FAILED, (workspace.owner,), labels, targets)
    return _Draft(
        catalogue.MANUAL_BUILD_FAILED,
        tuple(user for user in world.users if Role.TEMPLATE_ADMIN in user.roles),
        {
            "name": workspace.name,
            "template_name": workspace.template.display_name or workspace.template.name,
            "template_version_name": workspace.template.version,
            "initiator": build.initiator.username,
            "workspace_owner_username": workspace.owner.username,
            "workspace_build_number": str(build.number),
        },
        targets,
    )


def _deleted(world: World, happening: Happening) -> _Draft | None:
    workspace = happening.workspace
    if happening.initiator == workspace.owner:
        return None
    labels = {"name": workspace.name, "reason": "deleted by user", "initiator": happening.initiator.username}
    return _Draft(catalogue.WORKSPACE_DELETED, (workspace.owner,), labels, _workspace_targets(world, happening))


def _resumed(world: World, happening: Happening) -> _Draft:
    return _task_draft(world, happening, catalogue.TASK_RESUMED, {})


def _paused(world: World, happening: Happening) -> _Draft:
    return _task_draft(world, happening, catalogue.TASK_PAUSED, {"pause_reason": happening.detail})


def _task_draft(world: World, happening: Happening, template: NotificationTemplate, more: dict[str, str]) -> _Draft:
    workspace = happening.workspace
    task_id = {"task_id": workspace.task.id} if workspace.task else {}
    labels = {"task": workspace.name, "workspace": workspace.name, **task_id, **more}
    targets = (workspace.id, workspace.owner.id, world.organization_id)
    return _Draft(template, (workspace.owner,), labels, targets)


def _status(world: World, happening: Happening) -> _Draft:
    workspace = happening.workspace
    app = (workspace.task.app_id,) if workspace.task else ()
    return _Draft(
        catalogue.TASK_STATUS[happening.detail],
        (workspace.owner,),
        {"task": workspace.name, "workspace": workspace.name},
        (workspace.id, workspace.owner.id, world.organization_id, *app),
        {"dedupe_bypass_ts": happening.at.strftime("%Y-%m-%dT%H:%M:00Z")},
    )


def _workspace_targets(world: World, happening: Happening) -> tuple[str, ...]:
    workspace = happening.workspace
    return workspace.id, workspace.owner.id, workspace.template.id, world.organization_id


_DRAFTS: Final[Mapping[Kind, Callable[[World, Happening], _Draft | None]]] = {
    Kind.WORKSPACE_CREATED: _created,
    Kind.WORKSPACE_UPDATED: _updated,
    Kind.BUILD_FAILED: _failed,
    Kind.DELETED: _deleted,
    Kind.TASK_RESUMED: _resumed,
    Kind.TASK_PAUSED: _paused,
    Kind.TASK_STATUS: _status,
}
