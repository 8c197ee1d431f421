"""Coder's notification templates that a workspace or a task can lead to: ids, words and links.

Ids as in coderd/notifications/events.go; words as the webhook payloads of its test data have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class NotificationTemplate:
    """How one kind of notification reads.

    Attributes:
        title, body: format strings over the labels.
        actions: (label, URL format) pairs over the labels, `base` and the recipient's `user_username`.
        on: enabled by default; otherwise only for recipients who switched it on.
        bold: the Markdown body sets labels in bold.
        since: Coder's version that brought it.
    """

    id: str
    name: str
    title: str
    body: str
    actions: tuple[tuple[str, str], ...]
    on: bool = True
    bold: bool = True
    since: tuple[int, int] = (2, 0)

    @property
    def group(self) -> str:
        return "Task Events" if self.name.startswith("Task ") else "Workspace Events"


_WORKSPACE = ("View workspace", "{base}/@{user_username}/{workspace}")
_NAMED_WORKSPACE = ("View workspace", "{base}/@{user_username}/{name}")
_TASK = ("View task", "{base}/tasks/{user_username}/{workspace}")
_TASK_BY_ID = ("View task", "{base}/tasks/{user_username}/{task_id}")


def _status(template_id: str, name: str, title: str, body: str) -> NotificationTemplate:
    return NotificationTemplate(template_id, name, title, body, (_TASK, _WORKSPACE), on=False, bold=False)


WORKSPACE_CREATED: Final = NotificationTemplate(
    "281fdf73-c6d6-4cbb-8ff5-888baf8a2fff",
    "Workspace Created",
    "Workspace '{workspace}' has been created",
    "The workspace {workspace} has been created from the template {template} using version {version}.",
    (("View workspace", "{base}/@{workspace_owner_username}/{workspace}"),),
    on=False,
)
WORKSPACE_UPDATED: Final = NotificationTemplate(
    "d089fe7b-d5c5-4c0c-aaf5-689859f7d392",
    "Workspace Manually Updated",
    "Workspace '{workspace}' has been updated",
    "{initiator} updated the workspace {workspace} to version {version} of the template {template}.",
    (("View workspace", "{base}/@{workspace_owner_username}/{workspace}"),),
    on=False,
)
WORKSPACE_DELETED: Final = NotificationTemplate(
    "f517da0b-cdc9-410f-ab89-a86107c420ed",
    "Workspace Deleted",
    'Workspace "{name}" deleted',
    'Your workspace {name} was deleted.\n\nThe specified reason was "{reason} ({initiator})".',
    (("View workspaces", "{base}/workspaces"), ("View templates", "{base}/templates")),
)
AUTOBUILD_FAILED: Final = NotificationTemplate(
    "381df2a9-c0c0-4749-420f-80a9280c66f9",
    "Workspace Autobuild Failed",
    'Workspace "{name}" autobuild failed',
    'Automatic build of your workspace {name} failed.\n\nThe specified reason was "{reason}".',
    (_NAMED_WORKSPACE,),
)
MANUAL_BUILD_FAILED: Final = NotificationTemplate(
    "2faeee0f-26cb-4e96-821c-85ccb9f71513",
    "Workspace Manual Build Failed",
    'Workspace "{name}" manual build failed',
    "A manual build of the workspace {name} using the template {template_name} failed"
    " (version: {template_version_name}).\n\nThe workspace build was initiated by {initiator}.",
    (("View build", "{base}/@{workspace_owner_username}/{name}/builds/{workspace_build_number}"),),
)
TASK_PAUSED: Final = NotificationTemplate(
    "2a74f3d3-ab09-4123-a4a5-ca238f4f65a1",
    "Task Paused",
    "Task '{task}' is paused",
    "The task '{task}' was paused ({pause_reason}).",
    (_TASK_BY_ID, _WORKSPACE),
    bold=False,
    since=(2, 31),
)
TASK_RESUMED: Final = NotificationTemplate(
    "843ee9c3-a8fb-4846-afa9-977bec578649",
    "Task Resumed",
    "Task '{task}' has resumed",
    "The task '{task}' has resumed.",
    (_TASK_BY_ID, _WORKSPACE),
    bold=False,
    since=(2, 31),
)
TASK_STATUS: Final[Mapping[str, NotificationTemplate]] = {
    "working": _status(
        "bd4b7168-d05e-4e19-ad0f-3593b77aa90f",
        "Task Working",
        "Task '{workspace}' is working",
        "The task '{task}' transitioned to a working state.",
    ),
    "idle": _status(
        "d4a6271c-cced-4ed0-84ad-afd02a9c7799",
        "Task Idle",
        "Task '{workspace}' is idle",
        "The task '{task}' is idle and ready for input.",
    ),
    "complete": _status(
        "8c5a4d12-9f7e-4b3a-a1c8-6e4f2d9b5a7c",
        "Task Completed",
        "Task '{workspace}' completed",
        "The task '{task}' has completed successfully.",
    ),
    "failure": _status(
        "3b7e8f1a-4c2d-49a6-b5e9-7f3a1c8d6b4e",
        "Task Failed",
        "Task '{workspace}' failed",
        "The task '{task}' has failed. Check the logs for more details.",
    ),
}
CATALOGUE: Final = (
    WORKSPACE_CREATED,
    WORKSPACE_UPDATED,
    WORKSPACE_DELETED,
    AUTOBUILD_FAILED,
    MANUAL_BUILD_FAILED,
    TASK_PAUSED,
    TASK_RESUMED,
    *TASK_STATUS.values(),
)
