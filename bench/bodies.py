"""Deliveries for measuring, and the units that they must count."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from app.simulator import catalogue
from app.simulator.catalogue import NotificationTemplate

TEMPLATE: Final = "coder-tasks"
_BASE: Final = "https://coder.example.com"
_USERS: Final = 50
_USER_CREATED: Final = NotificationTemplate(
    "4e19c0ac-94e1-4532-9515-d1801aa283b2",
    "User account created",
    'User account "{created_account_name}" created',
    "New user account {created_account_name} has been created by {initiator}.",
    (("View accounts", "{base}/deployment/users?filter=status%3Aactive"),),
)
#: What Coder sends for one workspace: two admins are notified of its creation, its owner of the task; the rest is
#: noise.
STORY: Final = (
    (catalogue.WORKSPACE_CREATED, 1),
    (catalogue.WORKSPACE_CREATED, 2),
    (catalogue.TASK_STATUS["working"], 0),
    (catalogue.TASK_STATUS["idle"], 0),
    (catalogue.TASK_PAUSED, 0),
    (_USER_CREATED, 1),
    (catalogue.TASK_RESUMED, 0),
    (catalogue.TASK_STATUS["complete"], 0),
    (catalogue.WORKSPACE_DELETED, 0),
    (_USER_CREATED, 2),
)
#: Units that a whole story counts: the creation and the resume.
UNITS: Final = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """A delivery as Coder posts it."""

    message_id: str
    workspace_id: str
    body: bytes


def created(number: int, run: str) -> Sample:
    """Return a “Workspace Created” of a listed template, for a separate workspace."""
    return _sample(*STORY[0], _uuid(run, 1, number), number, run)


def stories(count: int, run: str) -> Iterator[Sample]:
    """Yield the given number of deliveries; `units` returns what they count.

    Args:
        count: preferably a multiple of the story's length.
        run: eight hexadecimal digits that make the ids unique.
    """
    for number in range(count):
        workspace, step = divmod(number, len(STORY))
        yield _sample(*STORY[step], _uuid(run, 1, number), workspace, run)


def units(count: int) -> int:
    """Return the units counted from the first `count` deliveries of `stories`."""
    whole, rest = divmod(count, len(STORY))
    resumed = [template for template, _ in STORY].index(catalogue.TASK_RESUMED)
    return whole * UNITS + int(rest > 0) + int(rest > resumed)


def _sample(template: NotificationTemplate, admin: int, message_id: str, workspace: int, run: str) -> Sample:
    workspace_id = _uuid(run, 2, workspace)
    owner = f"user-{workspace % _USERS}"
    recipient = f"admin-{admin}" if admin else owner
    labels = _labels(template, f"task-{workspace:05d}", owner)
    words = {**labels, "base": _BASE, "user_username": recipient, "task_id": workspace_id}
    title, text = template.title.format(**labels), template.body.format(**labels)
    payload: dict[str, Any] = {
        "_version": "1.2",
        "notification_name": template.name,
        "notification_template_id": template.id,
        "user_id": _uuid(run, 3, workspace % _USERS),
        "user_email": f"{recipient}@example.com",
        "user_name": recipient.title(),
        "user_username": recipient,
        "actions": [{"label": label, "url": url.format(**words)} for label, url in template.actions],
        "labels": labels,
        "data": _data(template, labels, workspace_id, run),
        "targets": [] if template is _USER_CREATED else [workspace_id, _uuid(run, 3, 0), _uuid(run, 4, 0)],
    }
    envelope = {
        "_version": "1.1",
        "msg_id": message_id,
        "payload": payload,
        "title": title,
        "title_markdown": title,
        "body": text,
        "body_markdown": text,
    }
    return Sample(message_id, workspace_id, json.dumps(envelope).encode())


def _labels(template: NotificationTemplate, name: str, owner: str) -> dict[str, str]:
    if template is catalogue.WORKSPACE_CREATED:
        return {"workspace": name, "template": TEMPLATE, "version": "v12", "workspace_owner_username": owner}
    if template is catalogue.WORKSPACE_DELETED:
        return {"name": name, "reason": "deleted by user", "initiator": "admin-1"}
    if template is _USER_CREATED:
        return {"created_account_name": f"{owner}-{name}", "created_account_user_name": owner, "initiator": "admin-1"}
    more = {"pause_reason": "idle timeout"} if template is catalogue.TASK_PAUSED else {}
    return {"task": name, "workspace": name, **more}


def _data(template: NotificationTemplate, labels: dict[str, str], workspace_id: str, run: str) -> dict[str, Any] | None:
    if template is not catalogue.WORKSPACE_CREATED:
        return None
    owner = labels["workspace_owner_username"]
    return {
        "workspace": {"id": workspace_id, "name": labels["workspace"]},
        "template": {"id": _uuid(run, 5, 0), "name": TEMPLATE},
        "template_version": {"id": _uuid(run, 6, 0), "name": labels["version"]},
        "owner": {"id": _uuid(run, 3, 0), "name": owner, "email": f"{owner}@example.com"},
        "parameters": [],
    }


def _uuid(run: str, kind: int, number: int) -> str:
    return f"{run}-{kind:04x}-4000-8000-{number:012x}"
