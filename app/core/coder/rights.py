"""What a token's roles and scopes allow, as findings: the cost of each missing right.

Seen on v2.31.9: the site roles template-admin and auditor together give access to everything that the meter reads,
except provisioner jobs, which the audit log replaces.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from app.core.coder.history import HistorySource
from app.core.coder.settings import User
from app.core.coder.subscription import AUDITOR, OWNER, TEMPLATE_ADMIN
from app.core.coder.token import EXPIRY_SCOPE, OF_A_YEAR, WARN_BEFORE, ApiKey, Expiry, missing_scopes
from app.core.coder.versions import ANNOUNCES_RESUMES
from app.core.finding import Finding, Result
from app.core.text.lines import moment_text

_SEES_ALL: Final = frozenset({OWNER, TEMPLATE_ADMIN})
#: Site roles that see every user (coderd/rbac/roles.go).
SEE_USERS: Final = frozenset({OWNER, TEMPLATE_ADMIN, AUDITOR, "user-admin"})
_ROLES: Final = f"{TEMPLATE_ADMIN} and {AUDITOR}"


def signed_in(user: User) -> Finding:
    roles = ", ".join(sorted(user.role_names))
    with_roles = f"with the site roles {roles}" if roles else "without a site role"
    return Finding("coder.token", Result.OK, f"signed in as {user.username}, {with_roles}")


def expiry(key: ApiKey | None, user: User, now: datetime, zone: tzinfo = UTC) -> Finding:
    """Report when the token expires, and warn in time."""
    found = key.expiry(now) if key else None
    if found is None:
        hint = f"a token with limited scopes shows it with the scope {EXPIRY_SCOPE}"
        return Finding("coder.expiry", Result.WARNING, "Coder does not show when this token expires", hint)
    soon = found.at - now <= WARN_BEFORE
    outcome = Result.WARNING if soon else Result.OK
    text = _expires(found, now, zone)
    if not soon:
        return Finding("coder.expiry", outcome, text)
    if found.moves and found.lifetime:
        return Finding("coder.expiry", outcome, text, _rests(found.lifetime, user))
    hint = f"create a new one in time: {OF_A_YEAR}" if OWNER not in user.role_names else _another_account()
    return Finding("coder.expiry", outcome, text, hint)


def _expires(found: Expiry, now: datetime, zone: tzinfo) -> str:
    at = moment_text(found.at, zone)
    if found.moves and found.lifetime:
        return f"the token expires {_span(found.lifetime)} after its last use, now on {at}"
    left = _span(found.at - now)
    if found.moves is None:
        return f"the token expires on {at}, in {left}"
    return f"the token expires on {at}, in {left}, however much it is used"


def _rests(lifetime: timedelta, user: User) -> str:
    lost = f"it expires if the meter is off for {_span(lifetime)}"
    return f"{lost}; {_another_account()}" if OWNER in user.role_names else f"{lost}; create a longer one: {OF_A_YEAR}"


def _another_account() -> str:
    return f"use a token for 8760 h of an account with the roles {_ROLES} (docs/coder.md)"


def _span(span: timedelta) -> str:
    days, hours = span.days, span.seconds // 3600
    count, unit = (days, "day") if days else (hours, "hour")
    return f"{count} {unit}" + ("" if count == 1 else "s")


def scopes(key: ApiKey) -> Finding:
    """Report whether a token with limited scopes can do what counting needs."""
    if key.only_some:
        text = "the token is limited to single workspaces or templates: builds of all others are not proved"
        return Finding("coder.scopes", Result.ERROR, text, "make a token without an allow-list")
    missing = missing_scopes(key.limits)
    if missing:
        text = f"the token's scopes are too few for counting; missing: {', '.join(missing)}"
        return Finding("coder.scopes", Result.ERROR, text, "make a token with these scopes, or without limits")
    text = "the token's scopes suffice for counting, but for nothing else"
    hint = "use a token without limited scopes for this check and for `awb coder subscribe`"
    return Finding("coder.scopes", Result.WARNING, text, hint)


def workspaces(user: User) -> Finding:
    if user.role_names & _SEES_ALL:
        return Finding("coder.workspaces", Result.OK, f"the roles of {user.username} show everybody's workspaces")
    text = (
        f"{user.username} is neither owner nor template admin of the site: builds of workspaces that Coder does not "
        "show are not proved"
    )
    return Finding("coder.workspaces", Result.WARNING, text, f"give the account the site role {TEMPLATE_ADMIN}")


def deleted(user: User, source: HistorySource, *, records_audit: bool) -> Finding:
    """Report how builds of workspaces are found that were deleted before the meter saw them.

    Args:
        user: the token's user.
        source: the history that the token may read.
        records_audit: whether this Coder keeps an audit log.
    """
    if source is not HistorySource.NONE:
        found_by = "the provisioner jobs" if source is HistorySource.PROVISIONER_JOBS else "the audit log"
        text = f"tasks that were deleted between two passes are found by {found_by}"
        return Finding("coder.deleted", Result.OK, text)
    text = "a task that is created and deleted between two passes is missed unless a notification of it arrives"
    if records_audit:
        return Finding("coder.deleted", Result.WARNING, text, _auditor(user, "the audit log"))
    hint = "this Coder keeps no audit log; an owner's token finds it by the provisioner jobs"
    return Finding("coder.deleted", Result.WARNING, text, hint)


def _auditor(user: User, what: str) -> str:
    """Return how to give a token access to something that Coder shows only to owners and auditors."""
    if user.role_names & {OWNER, AUDITOR}:
        return f"{user.username} may read {what}, but not with this token: use one without limited scopes"
    return f"give the account the site role {AUDITOR}"


def endpoint_unread(user: User | None) -> Finding:
    text = "endpoint and secret are not compared: Coder does not show them to this token"
    remedy = _auditor(user, "them") if user else f"the account needs the site role {AUDITOR}"
    return Finding("coder.endpoint", Result.WARNING, text, f"{remedy}; `awb webhook-url` prints ours")


def absent(names: Sequence[str], minutes: int) -> Finding:
    """Report the notifications that this Coder does not have; its API shows the builds anyway."""
    since = ".".join(map(str, ANNOUNCES_RESUMES.spans[0][0]))
    text = (
        f"{' and '.join(names)} came with v{since}: this Coder does not announce a resumed task; its API shows it, "
        f"within {minutes} min"
    )
    return Finding("coder.announced", Result.OK, text)


def preferences_failed(user: User, key: ApiKey | None) -> Finding:
    """Explain a 500, which Coder returns if a token's scopes do not cover preferences; no scope does."""
    text = f"Coder answered 500 when asked what is switched on for {user.username}"
    if key is not None and not key.limits:
        return Finding("coder.templates", Result.WARNING, text, "try again later, and see Coder's log")
    known = "the token's scopes are limited" if key else "where a token's scopes are limited"
    hint = f"that is its answer {'because ' if key else ''}{known}; counting needs no preferences"
    return Finding("coder.templates", Result.WARNING, text, hint)


def failures(user: User, another: bool | None) -> Finding:
    """Report who receives Workspace Manual Build Failed.

    Args:
        user: the token's user.
        another: whether some active user has the site role; None if unknown.
    """
    if TEMPLATE_ADMIN in user.role_names:
        text = f"{user.username} is a template admin, to whom Coder sends Workspace Manual Build Failed"
        return Finding("coder.failures", Result.OK, text)
    if another:
        text = "Coder sends Workspace Manual Build Failed to template admins, and there is one"
        return Finding("coder.failures", Result.OK, text)
    who = "there is none" if another is False else "whether there is one is not known"
    text = f"Coder sends Workspace Manual Build Failed only to users with the site role {TEMPLATE_ADMIN}; {who}"
    hint = "give one user that role, or an estimate counts first starts that failed"
    return Finding("coder.failures", Result.WARNING, text, hint)


def without_creations(user: User) -> Finding:
    text = f"{user.username} never receives Workspace Created: Coder sends it to owners and template admins of the site"
    hint = "let one of them switch it on, or new tasks are found by the API alone"
    return Finding("coder.recipient", Result.WARNING, text, hint)
