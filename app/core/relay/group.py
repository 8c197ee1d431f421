"""The groups in which Coder lists its notification templates (coderd/notifications/events.go, and product pages)."""

from collections.abc import Mapping
from typing import Final

WORKSPACES: Final = "Workspace Events"
TASKS: Final = "Task Events"
USERS: Final = "User Events"
TEMPLATES: Final = "Template Events"
CUSTOM: Final = "Custom Events"
GROUPS: Final = (WORKSPACES, TASKS, USERS, TEMPLATES, CUSTOM)

#: The beginnings of template names. Names are used because payloads before v1.1 may lack Coder's UUIDs.
_BY_NAME: Final[Mapping[str, str]] = {
    "task ": TASKS,
    "prebuil": TEMPLATES,
    "report: workspace": TEMPLATES,
    "template ": TEMPLATES,
    "workspace ": WORKSPACES,
    "user account": USERS,
    "your account": USERS,
    "one-time": USERS,
    "one time": USERS,
    "custom ": CUSTOM,
}


def group_of(name: str) -> str:
    """Return the group of a template by its name; empty if it is in none."""
    folded = name.casefold()
    return next((group for start, group in _BY_NAME.items() if folded.startswith(start)), "")
