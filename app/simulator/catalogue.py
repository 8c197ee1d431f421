"""Coder's notification templates: ids, texts and links.

Ids are those of coderd/notifications/events.go, and as listed by v2.31.9.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.simulator.versions import TASKLESS, Version


@dataclass(frozen=True, slots=True)
class NotificationTemplate:
    """The texts of one kind of notification.

    Attributes:
        title, body: format strings that take the labels.
        actions: pairs of a label and a URL format, which also takes `base` and the recipient's `user_username`.
        on: whether it is enabled by default; otherwise only for recipients who switched it on.
        bold: whether the Markdown body sets labels in bold.
        since, until: the first version of Coder that has it, and the first that no longer does.
    """

    id: str
    name: str
    title: str
    body: str
    actions: tuple[tuple[str, str], ...]
    on: bool = True
    bold: bool = True
    since: Version = (2, 0, 0)
    until: Version | None = None

    @property
    def group(self) -> str:
        """Return the group under which the dashboard lists it."""
        if self.name.startswith(("Prebuil", "Template ", "Report: ")):
            return "Template Events"
        if self.name.startswith(("User ", "Your ", "One-Time ")):
            return "User Events"
        if self.name.startswith("Troubleshooting "):
            return "Notification Events"
        return "Task Events" if self.name.startswith("Task ") else "Workspace Events"


_WORKSPACE = ("View workspace", "{base}/@{user_username}/{workspace}")
_NAMED_WORKSPACE = ("View workspace", "{base}/@{user_username}/{name}")
_TASK = ("View task", "{base}/tasks/{user_username}/{workspace}")
_TASK_BY_ID = ("View task", "{base}/tasks/{user_username}/{task_id}")


def _status(template_id: str, name: str, title: str, body: str) -> NotificationTemplate:
    return NotificationTemplate(
        template_id, name, title, body, (_TASK, _WORKSPACE), on=False, bold=False, until=TASKLESS
    )


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
    (
        ("View workspace", "{base}/@{workspace_owner_username}/{workspace}"),
        ("View template version", "{base}/templates/{organization}/{template}/versions/{version}"),
    ),
    on=False,
)
WORKSPACE_AUTO_UPDATED: Final = NotificationTemplate(
    "c34a0c09-0704-4cac-bd1c-0c0146811c2b",
    "Workspace Updated Automatically",
    'Workspace "{name}" updated',
    "The workspace {name} got the template version {template_version_name} when it started on schedule.",
    (_NAMED_WORKSPACE,),
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
    since=(2, 31, 1),
    until=TASKLESS,
)
TASK_RESUMED: Final = NotificationTemplate(
    "843ee9c3-a8fb-4846-afa9-977bec578649",
    "Task Resumed",
    "Task '{task}' has resumed",
    "The task '{task}' has resumed.",
    (_TASK_BY_ID, _WORKSPACE),
    bold=False,
    since=(2, 31, 1),
    until=TASKLESS,
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
#: Templates that Coder lists, but that nothing in a simulated world uses.
OTHERS: Final = tuple(
    NotificationTemplate(template_id, name, "", "", ())
    for template_id, name in (
        ("62f86a30-2330-4b61-a26d-311ff3b608cf", "One-Time Passcode"),
        ("414d9331-c1fc-4761-b40c-d1f4702279eb", "Prebuild Failure Limit Reached"),
        ("89d9745a-816e-4695-a17f-3d0a229e2b8d", "Prebuilt Workspace Resource Replaced"),
        ("34a20db2-e9cc-4a93-b0e4-8569699d7a00", "Report: Workspace Builds Failed"),
        ("29a09665-2a4c-403f-9648-54301670e7be", "Template Deleted"),
        ("f40fae84-55a2-42cd-99fa-b41c1ca64894", "Template Deprecated"),
        ("c425f63e-716a-4bf4-ae24-78348f706c3f", "Troubleshooting Notification"),
        ("9f5af851-8408-4e73-a7a1-c6502ba46689", "User account activated"),
        ("4e19c0ac-94e1-4532-9515-d1801aa283b2", "User account created"),
        ("f44d9314-ad03-4bc8-95d0-5cad491da6b6", "User account deleted"),
        ("b02ddd82-4733-4d02-a2d7-c36f3598997d", "User account suspended"),
        ("0ea69165-ec14-4314-91f1-69566ac3c5a0", "Workspace Marked as Dormant"),
        ("51ce2fdf-c9ca-4be1-8d70-628674f9bc42", "Workspace Marked for Deletion"),
        ("f047f6a3-5713-40f7-85aa-0394cce9fa3a", "Workspace Out Of Disk"),
        ("a9d027b4-ac49-4fb1-9f6d-45af15f64e7a", "Workspace Out Of Memory"),
        ("1a6a6bea-ee0a-43e2-9e7c-eabdb53730e4", "Your account has been activated"),
        ("6a2f0609-9b69-4d36-a989-9f5925b6cbff", "Your account has been suspended"),
    )
)
CATALOGUE: Final = (
    WORKSPACE_CREATED,
    WORKSPACE_UPDATED,
    WORKSPACE_AUTO_UPDATED,
    WORKSPACE_DELETED,
    AUTOBUILD_FAILED,
    MANUAL_BUILD_FAILED,
    TASK_PAUSED,
    TASK_RESUMED,
    *TASK_STATUS.values(),
    *OTHERS,
)
