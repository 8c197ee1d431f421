"""Which of Coder's notifications the count uses, to whom Coder sends each, and what is lost without it."""

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
#: The notifications that the count uses, by UUID (coderd/notifications/events.go). The first is off by default.
NEEDED: Final = {
    CREATED: "Workspace Created",
    RESUMED: "Task Resumed",
    PAUSED: "Task Paused",
    MANUAL_FAILED: "Workspace Manual Build Failed",
    AUTOBUILD_FAILED: "Workspace Autobuild Failed",
}
#: The site roles to which Coder sends a notification; all others go to the workspace's owner, whatever their roles
#: (coderd/workspaces.go, coderd/provisionerdserver; seen on v2.28 to v2.31).
RECIPIENTS: Final = {
    CREATED: frozenset({OWNER, TEMPLATE_ADMIN}),
    MANUAL_FAILED: frozenset({TEMPLATE_ADMIN}),
}


@dataclass(frozen=True, slots=True)
class Reception:
    """What one user receives of the notifications that the count uses.

    Attributes:
        on: switched on.
        off: switched off; the user may switch them on.
        never: never sent to a user with these roles.
    """

    on: tuple[NotificationTemplate, ...]
    off: tuple[NotificationTemplate, ...]
    never: tuple[NotificationTemplate, ...]


def needed_of(templates: Sequence[NotificationTemplate]) -> list[NotificationTemplate]:
    """Return the templates that the count uses, most important first."""
    order = list(NEEDED)
    return sorted((one for one in templates if one.id in NEEDED), key=lambda one: order.index(one.id))


def absent(templates: Sequence[NotificationTemplate]) -> list[str]:
    """Return the names of those that this Coder does not have."""
    known = {one.id for one in templates}
    return [name for template_id, name in NEEDED.items() if template_id not in known]


def reception(
    templates: Sequence[NotificationTemplate], disabled: Mapping[str, bool], roles: frozenset[str]
) -> Reception:
    """Sort the needed templates by whether a user receives them.

    Args:
        templates: the templates of this Coder.
        disabled: the user's choices by template id; the others have Coder's default.
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
    """Return the needed templates that are sent by another method, whether it is their own or the default."""
    return [one for one in needed_of(templates) if (one.method or default) != WEBHOOK]


def reached(templates: Sequence[NotificationTemplate], default: str, *, relay: str) -> Finding:
    """Report whether users still get the notifications that Coder sends by webhook instead of e-mail.

    Args:
        templates: the templates of this Coder.
        default: the method of templates that have none.
        relay: the AWB_RELAY setting.
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
