"""Subscribing: what Coder has to be told so that the notifications that matter arrive, and whether it has been."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import redis

from app.coderapi import CoderApi, CoderApiError, Failure
from app.config import Config
from app.core.codersettings import NotificationTemplate, User
from app.core.drift import has_tally_bug
from app.core.entitlement import Standing
from app.core.finding import Finding, Outcome
from app.core.meter import AWB
from app.core.notice import TASKS_GONE
from app.pipeline.usage import current_allowance, current_usage

WEBHOOK: Final = "webhook"
CREATED: Final = "281fdf73-c6d6-4cbb-8ff5-888baf8a2fff"
#: What the count hears from, by UUID (coderd/notifications/events.go). The first is off unless somebody asks for it.
NEEDED: Final = {
    CREATED: "Workspace Created",
    "843ee9c3-a8fb-4846-afa9-977bec578649": "Task Resumed",
    "2a74f3d3-ab09-4123-a4a5-ca238f4f65a1": "Task Paused",
    "2faeee0f-26cb-4e96-821c-85ccb9f71513": "Workspace Manual Build Failed",
    "381df2a9-c0c0-4749-420f-80a9280c66f9": "Workspace Autobuild Failed",
}
_OWNER: Final = "owner"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be changed in Coder: templates to switch on for the token's user, and to send by webhook."""

    user: str
    enable: tuple[NotificationTemplate, ...]
    by_webhook: tuple[NotificationTemplate, ...]

    @property
    def empty(self) -> bool:
        return not self.enable and not self.by_webhook


def make_plan(api: CoderApi) -> Plan:
    """Compare what is with what is needed.

    Raises:
        CoderApiError: Coder did not answer, or does not let this token see it.
    """
    user = api.me()
    needed = [template for template in api.notification_templates() if template.id in NEEDED]
    _available, default = api.dispatch_methods()
    licensed = api.entitlements().has_license
    by_webhook = [template for template in needed if (template.method or default) != WEBHOOK] if licensed else []
    disabled = api.preferences(user.id)
    enable = [template for template in needed if disabled.get(template.id, not template.enabled_by_default)]
    return Plan(user.id, tuple(enable), tuple(by_webhook))


def carry_out(api: CoderApi, plan: Plan) -> None:
    """Make the changes; what was made before a failure stands, and the next plan holds the rest."""
    if plan.enable:
        api.set_preferences(plan.user, {template.id: False for template in plan.enable})
    for template in plan.by_webhook:
        api.set_template_method(template.id, WEBHOOK)


def check(connection: "redis.Redis", config: Config, api: CoderApi) -> Iterator[Finding]:
    """Yield what was found, as it comes; a question that the token may not ask is said, not guessed."""
    try:
        user = api.me()
    except CoderApiError as error:
        yield Finding("coder.token", Outcome.ERROR, str(error), "check AWB_CODER_URL and AWB_CODER_TOKEN")
        return
    owner = any(role.get("name") == _OWNER for role in user.roles)
    yield Finding(
        "coder.token",
        Outcome.OK if owner else Outcome.WARNING,
        f"signed in as {user.username}",
        "" if owner else "a token of an owner sees every workspace, this one may not",
    )
    for question in (_version, _licence, _paused, _endpoint):
        try:
            yield from question(config, api)
        except CoderApiError as error:
            yield _unanswered(question.__name__.strip("_"), error)
    try:
        yield from _templates(config, connection, api, user)
    except CoderApiError as error:
        yield _unanswered("templates", error)


def _unanswered(what: str, error: CoderApiError) -> Finding:
    denied = error.kind in (Failure.FORBIDDEN, Failure.NOT_FOUND)
    hint = "use the token of an owner" if denied else "try again later"
    return Finding(f"coder.{what}", Outcome.WARNING, str(error), hint)


def _version(_config: Config, api: CoderApi) -> Iterator[Finding]:
    info = api.build_info()
    number = info.number
    if number and number >= TASKS_GONE:
        says = f"{info.version} has no Coder Tasks: the count of Agent Workspace Builds stands still"
        yield Finding("coder.version", Outcome.WARNING, says, "agent hours and seats are read from the licence")
    elif number and has_tally_bug(number):
        says = f"{info.version} counts every start of a workspace from an AI template"
        yield Finding("coder.version", Outcome.WARNING, says, "update to v2.28.9, v2.29.4 or v2.30")
    else:
        yield Finding("coder.version", Outcome.OK, info.version or "unknown")


def _licence(config: Config, api: CoderApi) -> Iterator[Finding]:
    found = current_allowance(config, api.entitlements(), AWB)
    limit = "unlimited" if found.limit.count is None else f"limit {found.limit.count:,}"
    bad = found.standing is Standing.NOT_ENTITLED
    hint = "Coder may refuse to start task workspaces; talk to your account team" if bad else ""
    says = f"{found.standing.value}, {limit}, Coder's own count {found.actual if found.actual is not None else 'none'}"
    yield Finding("coder.licence", Outcome.WARNING if bad else Outcome.OK, says, hint)


def _paused(_config: Config, api: CoderApi) -> Iterator[Finding]:
    if api.notifications_paused():
        yield Finding("coder.paused", Outcome.ERROR, "notifications are paused", "run: coder notifications resume")
    else:
        yield Finding("coder.paused", Outcome.OK, "notifications are not paused")


def _endpoint(config: Config, api: CoderApi) -> Iterator[Finding]:
    endpoint = api.webhook_endpoint()
    if not endpoint.host:
        hint = "set CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT; `awb webhook-url` prints it"
        yield Finding("coder.endpoint", Outcome.ERROR, "Coder has no webhook endpoint", hint)
        return
    if not endpoint.has_user_info:
        hint = "put it in as https://coder:<secret>@host/…; `awb webhook-url` prints it"
        yield Finding("coder.endpoint", Outcome.ERROR, f"{endpoint.shown} carries no secret", hint)
        return
    # Only compared, never called: an address that another system names is not for this program to open.
    ours = urlsplit(config.settings.public_url).netloc.lower()
    if ours and endpoint.host.lower() != ours:
        hint = "correct AWB_PUBLIC_URL or CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT"
        yield Finding("coder.endpoint", Outcome.WARNING, f"Coder sends to {endpoint.shown}, not to {ours}", hint)
        return
    yield Finding("coder.endpoint", Outcome.OK, f"Coder sends to {endpoint.shown}, with a secret")


def _templates(config: Config, connection: "redis.Redis", api: CoderApi, user: User) -> Iterator[Finding]:
    plan = make_plan(api)
    _available, default = api.dispatch_methods()
    off = [template.name for template in plan.enable]
    hint = "run: awb coder subscribe"
    if off:
        yield Finding("coder.templates", Outcome.WARNING, f"off for {user.username}: {', '.join(off)}", hint)
    else:
        yield Finding("coder.templates", Outcome.OK, f"what is needed is on for {user.username}")
    if plan.by_webhook:
        names = ", ".join(template.name for template in plan.by_webhook)
        yield Finding("coder.method", Outcome.ERROR, f"not sent by webhook: {names}", hint)
    elif default != WEBHOOK and not api.entitlements().has_license:
        says = f"notifications go out by {default or 'no method'}"
        yield Finding("coder.method", Outcome.ERROR, says, "set CODER_NOTIFICATIONS_METHOD=webhook and restart coderd")
    else:
        yield Finding("coder.method", Outcome.OK, "sent by webhook")
    yield _recipient(config, connection, user)


def _recipient(config: Config, connection: "redis.Redis", user: User) -> Finding:
    """Coder tells nobody of a workspace that they created themselves."""
    usage = current_usage(connection, config, config.settings.deployment, AWB, top=True)
    if usage.by_user and usage.by_user[0][0] == user.username.lower():
        says = f"{user.username} creates most tasks, and Coder tells nobody of their own"
        hint = "let another admin switch Workspace Created on, or use another admin's token to subscribe"
        return Finding("coder.recipient", Outcome.WARNING, says, hint)
    return Finding("coder.recipient", Outcome.OK, f"{user.username} is not the one who creates most tasks")
