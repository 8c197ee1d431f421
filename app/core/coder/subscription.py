"""Which of Coder's notifications the count uses, whom Coder sends each to, and what is lost without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.core.coder.settings import NotificationTemplate
from app.core.finding import Finding, Result

OWNER: Final = "owner"
TEMPLATE_ADMIN: Final = "template-admin"
AUDITOR: Final = "auditor"
WEBHOOK: Final = "webhook"

CREATED: Final = "281fdf73-c6d6-4cbb-8ff5-888baf8a2fff"
RESUMED: Final = "843ee9c3-a8fb-4846-afa9-977bec578649"
PAUSED: Final = "2a74f3d3-ab09-4123-a4a5-ca238f4f65a1"
MANUAL_FAILED: Final = "2faeee0f-26cb-4e96-821c-85ccb9f71513"
AUTOBUILD_FAILED: Final = "381df2a9-c0c0-4749-420f-80a9280c66f9"
#: What the count uses, by UUID (coderd/notifications/events.go). The first is off unless somebody switches it on.
NEEDED: Final = {
    CREATED: "Workspace Created",
    RESUMED: "Task Resumed",
    PAUSED: "Task Paused",
    MANUAL_FAILED: "Workspace Manual Build Failed",
    AUTOBUILD_FAILED: "Workspace Autobuild Failed",
}
#: Site roles of which a user must have one for Coder to send it; the others go to the owner of the workspace, whoever
#: that is (coderd/workspaces.go, coderd/provisionerdserver; seen on v2.28 to v2.31).
RECIPIENTS: Final = {
    CREATED: frozenset({OWNER, TEMPLATE_ADMIN}),
    MANUAL_FAILED: frozenset({TEMPLATE_ADMIN}),
}


@dataclass(frozen=True, slots=True)
class Reception:
    """What one user gets of the notifications that the count uses.

    Attributes:
        on: turned on.
        off: turned off, and the user may switch them on.
        never: Coder never sends them to a user with these roles.
    """

    on: tuple[NotificationTemplate, ...]
    off: tuple[NotificationTemplate, ...]
    never: tuple[NotificationTemplate, ...]


def needed_of(templates: Sequence[NotificationTemplate]) -> list[NotificationTemplate]:
    """Return those that the count uses, most important first."""
    order = list(NEEDED)
    return sorted((one for one in templates if one.id in NEEDED), key=lambda one: order.index(one.id))


def absent(templates: Sequence[NotificationTemplate]) -> list[str]:
    """Name those that this Coder does not have."""
    known = {one.id for one in templates}
    return [name for template_id, name in NEEDED.items() if template_id not in known]


def reception(
    templates: Sequence[NotificationTemplate], disabled: Mapping[str, bool], roles: frozenset[str]
) -> Reception:
    """Sort the needed templates by what a user gets.

    Args:
        templates: of this Coder.
        disabled: the user's choices, by id; Coder's default holds for the others.
        roles: the user's site roles.
    """
    found: dict[str, list[NotificationTemplate]] = {"on": [], "off": [], "never": []}
    for one in needed_of(templates):
        if one.id in RECIPIENTS and not RECIPIENTS[one.id] & roles:
            found["never"].append(one)
        else:
            found["off" if disabled.get(one.id, not one.enabled_by_default) else "on"].append(one)
    return Reception(tuple(found["on"]), tuple(found["off"]), tuple(found["never"]))


def not_by_webhook(templates: Sequence[NotificationTemplate], default: str) -> list[NotificationTemplate]:
    """Return the needed ones that go out by another method, their own or the default one."""
    return [one for one in needed_of(templates) if (one.method or default) != WEBHOOK]


def reached(templates: Sequence[NotificationTemplate], default: str, *, relay: str) -> Finding:
    """Say whether users get what Coder sends by webhook, which it then sends nobody by e-mail.

    Args:
        templates: of this Coder.
        default: its method for all templates that have none of their own.
        relay: the setting.
    """
    check = "coder.relay"
    sent = [one for one in templates if (one.method or default) == WEBHOOK]
    if not sent:
        return Finding(check, Result.OK, "Coder mails users itself")
    what = "everything" if len(sent) == len(templates) else names_of(sent)
    if relay != "off":
        return Finding(check, Result.OK, f"Coder sends {what} by webhook, and users get it by {relay} from here")
    text = f"Coder sends {what} by webhook, so users get no e-mail of it"
    if default == WEBHOOK:
        text += ", one-time passcodes included"
    return Finding(check, Result.WARNING, text, "set AWB_RELAY=email (docs/relay.md)")


def any_of(roles: frozenset[str]) -> str:
    return " or ".join(sorted(roles))


def names_of(templates: Sequence[NotificationTemplate]) -> str:
    return ", ".join(one.name or NEEDED.get(one.id, one.id) for one in templates)
