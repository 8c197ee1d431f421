"""Subscribing: the settings in Coder that make it send the needed notifications by webhook."""

from dataclasses import dataclass

from app.coder.api import CoderApi, CoderApiError, Failure
from app.core.coder.settings import NotificationTemplate
from app.core.coder.shapes import Entitlements
from app.core.coder.subscription import (
    NEEDED,
    OWNER,
    RECIPIENTS,
    WEBHOOK,
    absent,
    any_of,
    names_of,
    not_by_webhook,
    reception,
)

__all__ = ["NEEDED", "Plan", "carry_out", "make_plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to change in Coder, and what this token's user cannot change.

    Attributes:
        user: id of the token's user.
        enable: templates to switch on for the token's user.
        by_webhook: templates to send by webhook.
        left: what others must do, or nobody can, as sentences without a full stop.
    """

    user: str
    enable: tuple[NotificationTemplate, ...]
    by_webhook: tuple[NotificationTemplate, ...]
    left: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.enable and not self.by_webhook


def make_plan(api: CoderApi) -> Plan:
    """Compare Coder's settings with those needed.

    Raises:
        CoderApiError: Coder did not answer, or does not let this token read them.
    """
    user = api.me()
    templates = api.notification_templates()
    _available, default = api.dispatch_methods()
    got = reception(templates, _preferences(api, user.id), user.role_names)
    left = [
        f"{user.username} never receives {template.name}: Coder sends it to users with the site role "
        f"{any_of(RECIPIENTS[template.id])}"
        for template in got.never
    ]
    if names := absent(templates):
        left.append(f"this Coder has no {' and no '.join(names)}")
    others = not_by_webhook(templates, default)
    licensed = bool(others) and (known := entitlements_of(api)) is not None and known.has_license
    settable = licensed and OWNER in user.role_names
    if others and not settable:
        left.append(f"not sent by webhook: {names_of(others)}; {method_hint(licensed=licensed)}")
    return Plan(user.id, got.off, tuple(others) if settable else (), tuple(left))


def _preferences(api: CoderApi, user: str) -> dict[str, bool]:
    try:
        return api.preferences(user)
    except CoderApiError as error:
        if error.kind is not Failure.SERVER_ERROR:
            raise
        why = "Coder also answers so where a token's scopes are limited: then use one without limited scopes"
        raise CoderApiError(f"{error} {why}", error.kind, error.retry_after) from None


def carry_out(api: CoderApi, plan: Plan) -> None:
    """Make the changes. Those made before a failure stay, and the next plan contains the rest."""
    if plan.enable:
        api.set_preferences(plan.user, {template.id: False for template in plan.enable})
    for template in plan.by_webhook:
        api.set_template_method(template.id, WEBHOOK)


def entitlements_of(api: CoderApi) -> Entitlements | None:
    """Return the entitlements; None for a Coder built without licences (AGPL).

    Raises:
        CoderApiError: Coder did not answer.
    """
    try:
        return api.entitlements()
    except CoderApiError as error:
        if error.kind is not Failure.NOT_FOUND:
            raise
        return None


def method_hint(*, licensed: bool) -> str:
    """Return what makes Coder send by webhook if this token's user cannot change it here."""
    everything = "set CODER_NOTIFICATIONS_METHOD=webhook and restart coderd"
    return f"let an owner run `awb coder subscribe`, or {everything}" if licensed else everything
