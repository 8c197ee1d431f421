"""The checks of `awb coder check`: whether Coder sends and shows what the count needs, and what is lost otherwise."""

from collections.abc import Callable, Iterator
from functools import cached_property

import redis

from app import clock
from app.coder.api import CoderApi, CoderApiError, Failure
from app.config.load import Config
from app.core.coder import rights as coderrights
from app.core.coder import subscription
from app.core.coder.endpoint import Expected, compare
from app.core.coder.settings import NotificationTemplate, User
from app.core.coder.shapes import Entitlements
from app.core.coder.token import ApiKey
from app.core.coder.versions import TALLY_BUG, TASKS_GONE
from app.core.count.meter import AWB
from app.core.finding import Finding, Result
from app.core.limit.entitlement import LicenceStatus
from app.pipeline.count.past import available
from app.pipeline.operate.subscribe import entitlements_of, method_hint
from app.pipeline.usage import current_allowance, current_usage
from app.store.store import Store

_DENIED = frozenset({Failure.FORBIDDEN, Failure.NOT_FOUND})


def check(connection: "redis.Redis", config: Config, api: CoderApi) -> Iterator[Finding]:
    """Yield findings as they are made; if the token may not read something, the finding says so."""
    try:
        user = api.me()
    except CoderApiError as error:
        yield Finding("coder.token", Result.ERROR, str(error), "check AWB_CODER_URL and AWB_CODER_TOKEN")
        return
    yield coderrights.signed_in(user)
    checks = _Check(connection, config, api, user)
    for name, question in checks.questions():
        try:
            yield from question()
        except CoderApiError as error:
            yield _unanswered(f"coder.{name}", error)


def endpoint(config: Config, api: CoderApi, user: User | None = None) -> Iterator[Finding]:
    """Compare the endpoint that Coder posts to with ours; never raises CoderApiError."""
    settings = config.settings
    texts = [
        secret.get_secret_value() if secret else ""
        for secret in (settings.webhook_secret, settings.webhook_secret_previous)
    ]
    try:
        found = api.webhook_endpoint()
    except CoderApiError as error:
        yield coderrights.endpoint_unread(user) if error.kind in _DENIED else _unanswered("coder.endpoint", error)
        return
    named = settings.deployment != config.default_deployment
    yield from compare(found, Expected(settings.public_url, settings.deployment, texts[0], texts[1], named=named))


def _unanswered(name: str, error: CoderApiError) -> Finding:
    denied = error.kind in _DENIED
    hint = "docs/coder.md says which roles the token's account needs" if denied else "try again later"
    return Finding(name, Result.WARNING, str(error), hint)


class _Check:
    """The requests to one deployment, with the answers received so far."""

    def __init__(self, connection: "redis.Redis", config: Config, api: CoderApi, user: User) -> None:
        self.connection, self.config, self.api, self.user = connection, config, api, user

    def questions(self) -> list[tuple[str, Callable[[], Iterator[Finding]]]]:
        return [
            ("expiry", self.token),
            ("workspaces", self.workspaces),
            ("deleted", self.deleted),
            ("version", self.version),
            ("licence", self.licence),
            ("groups", self.groups),
            ("paused", self.paused),
            ("endpoint", lambda: endpoint(self.config, self.api, self.user)),
            ("method", self.method),
            ("relay", self.relay),
            ("templates", self.templates),
            ("failures", self.failures),
            ("recipient", self.recipient),
        ]

    @cached_property
    def entitlements(self) -> Entitlements | None:
        return entitlements_of(self.api)

    @cached_property
    def known(self) -> list[NotificationTemplate]:
        return self.api.notification_templates()

    @cached_property
    def key(self) -> ApiKey | None:
        """Coder's record of the token; None if Coder does not show it."""
        try:
            return self.api.account.key()
        except CoderApiError as error:
            # Coder answers some requests that a token's scopes do not cover with 500.
            if error.kind not in _DENIED | {Failure.SERVER_ERROR}:
                raise
            return None

    def token(self) -> Iterator[Finding]:
        yield coderrights.expiry(self.key, self.user, clock.now(), self.config.zone)
        if self.key and (self.key.limits or self.key.only_some):
            yield coderrights.scopes(self.key)

    def workspaces(self) -> Iterator[Finding]:
        yield coderrights.workspaces(self.user)

    def deleted(self) -> Iterator[Finding]:
        yield coderrights.deleted(self.user, available(self.api), records_audit=self.entitlements is not None)

    def version(self) -> Iterator[Finding]:
        info = self.api.build_info()
        number = info.number
        if TASKS_GONE.holds(number):
            text = f"{info.version} has no Coder Tasks: Agent Workspace Builds are no longer counted"
            yield Finding("coder.version", Result.WARNING, text, "agent hours and seats are read from the licence")
            return
        if TALLY_BUG.holds(number):
            text = f"{info.version} counts every start of a workspace from an AI template"
            yield Finding("coder.version", Result.WARNING, text, "update to v2.28.9, v2.29.4 or v2.30")
        else:
            yield Finding("coder.version", Result.OK, info.version or "unknown")
        if names := subscription.absent(self.known):
            yield coderrights.absent(names, self.config.settings.reconcile_minutes)

    def licence(self) -> Iterator[Finding]:
        limit = self.config.limit.count
        ours = f"AWB_LIMIT holds: {'unlimited' if limit is None else f'{limit:,}'}"
        if self.entitlements is None:
            yield Finding("coder.licence", Result.OK, f"this Coder is built without licences (AGPL); {ours}")
            return
        found = current_allowance(self.config, self.entitlements, AWB)
        if found.licence is LicenceStatus.UNLICENSED:
            yield Finding("coder.licence", Result.OK, f"no licence, so Coder reports no count of its own; {ours}")
            return
        if TASKS_GONE.holds(self.api.build_info().number):
            text = f"{LicenceStatus.ENTITLED.value}; its limit of builds has no effect any more"
            yield Finding("coder.licence", Result.OK, text)
            return
        included = "unlimited" if found.limit.count is None else f"limit {found.limit.count:,}"
        own = "none" if found.actual is None else found.actual
        text = f"{found.licence.value}, {included}, Coder's own count {own}"
        bad = found.licence is LicenceStatus.NOT_ENTITLED
        hint = "Coder may refuse to start task workspaces; talk to your account team" if bad else ""
        yield Finding("coder.licence", Result.WARNING if bad else Result.OK, text, hint)

    def groups(self) -> Iterator[Finding]:
        """Read groups only if sub-limits by group need them."""
        if any(scope.by == "group" for scope in self.config.settings.scopes):
            found = self.api.groups()
            yield Finding("coder.groups", Result.OK, f"{len(found):,} groups for the sub-limits by group")

    def paused(self) -> Iterator[Finding]:
        if self.api.notifications_paused():
            yield Finding("coder.paused", Result.ERROR, "notifications are paused", "run: coder notifications resume")
        else:
            yield Finding("coder.paused", Result.OK, "notifications are not paused")

    def method(self) -> Iterator[Finding]:
        _available, default = self.api.dispatch_methods()
        others = subscription.not_by_webhook(self.known, default)
        if not others:
            yield Finding("coder.method", Result.OK, "sent by webhook")
            return
        licensed = self.entitlements is not None and self.entitlements.has_license
        owner = subscription.OWNER in self.user.role_names
        hint = "run: awb coder subscribe" if licensed and owner else method_hint(licensed=licensed)
        text = f"not sent by webhook: {subscription.names_of(others)}"
        yield Finding("coder.method", Result.ERROR, text, hint)

    def relay(self) -> Iterator[Finding]:
        """Report who gets no e-mail because Coder sends by webhook."""
        _available, default = self.api.dispatch_methods()
        yield subscription.reached(self.known, default, relay=self.config.settings.relay)

    def templates(self) -> Iterator[Finding]:
        try:
            disabled = self.api.preferences(self.user.id)
        except CoderApiError as error:
            if error.kind is not Failure.SERVER_ERROR:
                raise
            yield coderrights.preferences_failed(self.user, self.key)
            return
        got = subscription.reception(self.known, disabled, self.user.role_names)
        name = self.user.username
        if got.off:
            text = f"off for {name}: {subscription.names_of(got.off)}"
            yield Finding("coder.templates", Result.WARNING, text, "run: awb coder subscribe")
        if got.on:
            yield Finding("coder.templates", Result.OK, f"on for {name}: {subscription.names_of(got.on)}")

    def failures(self) -> Iterator[Finding]:
        """Report who is notified of a failed first start; without that notification it counts in the estimate."""
        if subscription.TEMPLATE_ADMIN in self.user.role_names:
            yield coderrights.failures(self.user, another=None)
            return
        another: bool | None = None
        try:
            another = self.api.account.someone_has_role(subscription.TEMPLATE_ADMIN)
        except CoderApiError as error:
            if not error.permanent and error.kind is not Failure.SERVER_ERROR:
                raise
        # Coder leaves out users that a token may not see, so finding nobody would prove nothing.
        sees_users = self.user.role_names & coderrights.SEE_USERS and self.key and not self.key.limits
        yield coderrights.failures(self.user, another=another if another or sees_users else None)

    def recipient(self) -> Iterator[Finding]:
        """Check whether the token's user is notified of new tasks: Coder does not notify people of their own tasks."""
        name = self.user.username
        if not subscription.RECIPIENTS[subscription.CREATED] & self.user.role_names:
            yield coderrights.without_creations(self.user)
            return
        usage = current_usage(Store(self.connection, self.config.settings.deployment), self.config, AWB, top=True)
        if usage.by_user and usage.by_user[0][0] == name.lower():
            text = f"{name} creates most tasks, and Coder notifies nobody of their own tasks"
            hint = "let another owner or template admin switch Workspace Created on"
            yield Finding("coder.recipient", Result.WARNING, text, hint)
        elif usage.by_user:
            yield Finding("coder.recipient", Result.OK, f"{name} is not the one who creates most tasks")
