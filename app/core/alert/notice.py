"""Notices: what admins should know besides thresholds, each sent once while it applies.

Coder shows its warnings and errors about the licence only on its dashboard, and does not report when one of its numbers
stops changing.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from app.core.alert.severity import Severity
from app.core.coder.shapes import Entitlements
from app.core.coder.token import ALERT_BEFORE
from app.core.coder.versions import Version
from app.core.count.era import is_gone
from app.core.count.meter import AWB
from app.core.limit.drift import DriftPoint, growth, is_growing, known_causes
from app.core.limit.entitlement import Allowance, LicenceStatus
from app.core.text.lines import day_text, moment_text

_API_AWAY: Final = timedelta(hours=24)
# Warnings that our own thresholds give earlier and in more detail (enterprise/coderd/license/license.go).
_OWN_SUBJECT: Final = (
    "You have built more workspaces with managed agents",
    "You are approaching the managed agent limit",
)


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice.

    Attributes:
        key: identity; a notice with the same key is not repeated while it applies.
        meaning: what to do.
        contact: whether Coder's account team can help.
    """

    key: str
    severity: Severity
    headline: str
    summary: str
    meaning: str
    contact: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known about a deployment at one moment.

    Attributes:
        version: Coder's version; None if unknown.
        history: the drift, oldest first.
        unreached_since: since when Coder's API has failed; None while it answers.
        failure: the API's error, without secrets.
        silent_since: arrival of the last delivery; None if there was none.
        proved_since_silence: builds that the API has proved since then.
        silence_allowed: how long deliveries may be missing while builds are proved.
        token_ends_at: when the token for Coder's API expires even if it is used; None if use extends it, or if unknown.
    """

    deployment: str
    now: datetime
    entitlements: Entitlements | None
    allowance: Allowance
    version: Version | None
    history: Sequence[DriftPoint]
    period_start: datetime
    unreached_since: datetime | None
    failure: str
    silent_since: datetime | None
    proved_since_silence: int
    silence_allowed: timedelta
    sees_deleted: bool
    token_ends_at: datetime | None = None
    zone: tzinfo = UTC


def active_notices(situation: Situation) -> list[Notice]:
    """Return every notice that applies now."""
    found = _licence_notices(situation)
    # Notices about the count do not apply once Coder no longer counts.
    of_the_count = [_frozen] if is_gone(AWB, situation.version) else [_entitlement, _drift, _input]
    others = (*of_the_count, _grace, _token, _api)
    return found + [notice for one in others if (notice := one(situation)) is not None]


def _licence_notices(situation: Situation) -> list[Notice]:
    entitlements = situation.entitlements
    if entitlements is None:
        return []
    texts = [(Severity.CRITICAL, "error", text) for text in entitlements.errors]
    texts += [
        (Severity.WARNING, "warning", text) for text in entitlements.warnings if not text.startswith(_OWN_SUBJECT)
    ]
    return [
        Notice(
            key=f"licence-{kind}-{hashlib.blake2s(_without_numbers(text).encode(), digest_size=6).hexdigest()}",
            severity=severity,
            headline=f"Coder licence {kind}",
            summary=f"Coder deployment “{situation.deployment}” reports about its licence: {text[:500]}",
            meaning="Coder shows this only on its dashboard. Please check the Licenses page.",
        )
        for severity, kind, text in texts
    ]


def _without_numbers(text: str) -> str:
    """Remove numbers, so that a warning counts as the same when only its numbers change."""
    return re.sub(r"\d+(?:[.,]\d+)*", "#", text)


def _frozen(situation: Situation) -> Notice:
    return Notice(
        key="tasks-gone",
        severity=Severity.WARNING,
        headline="Agent Workspace Builds are no longer counted by this Coder",
        summary=f"Coder deployment “{situation.deployment}” runs v2.37 or later, which has no Coder Tasks. The "
        "number of Agent Workspace Builds no longer changes, and no limit applies.",
        meaning="Coder Agents are metered by agent runtime hours and seats; the meter reads both from the licence.",
    )


def _entitlement(situation: Situation) -> Notice | None:
    if situation.allowance.licence is LicenceStatus.NOT_ENTITLED:
        return Notice(
            key="not-entitled",
            severity=Severity.CRITICAL,
            headline="The licence includes no Agent Workspace Builds",
            summary=f"Coder deployment “{situation.deployment}” has a licence without Agent Workspace Builds.",
            meaning="Coder may refuse to start workspaces for tasks. Please contact your Coder account team.",
            contact=True,
        )
    return None


def _grace(situation: Situation) -> Notice | None:
    if situation.allowance.licence is LicenceStatus.GRACE:
        return Notice(
            key="grace-period",
            severity=Severity.WARNING,
            headline="The Coder licence has expired",
            summary=f"The licence of Coder deployment “{situation.deployment}” has expired and is in its grace period.",
            meaning="Please renew it in time. Until then the meter keeps the limit of the expired licence.",
            contact=True,
        )
    return None


def _drift(situation: Situation) -> Notice | None:
    if not is_growing(situation.history, situation.period_start):
        return None
    newest = situation.history[-1]
    causes = known_causes(newest.drift, situation.version, sees_deleted=situation.sees_deleted)
    return Notice(
        key=f"drift-{situation.period_start.date().isoformat()}",
        severity=Severity.WARNING,
        headline=f"The count and Coder's own number drift apart by {abs(newest.drift):,}",
        summary=f"Coder deployment “{situation.deployment}”: the API proves {newest.counted:,} builds, and Coder "
        f"reports {newest.actual:,}. The difference grew by {growth(situation.history, situation.period_start):,} "
        "within a week.",
        meaning=" ".join(["A constant difference is harmless; a growing one is not.", *causes]),
    )


def _token(situation: Situation) -> Notice | None:
    ends = situation.token_ends_at
    if ends is None or ends - situation.now > ALERT_BEFORE:
        return None
    return Notice(
        key=f"token-ends-{ends:%Y-%m-%d}",
        severity=Severity.WARNING,
        headline=f"The meter's token for Coder expires on {day_text(ends, situation.now)}",
        summary=f"The token that the meter uses for Coder deployment “{situation.deployment}” expires on "
        f"{moment_text(ends, situation.zone)}, and Coder does not extend it.",
        meaning="After that, the number is an estimate from notifications. Please create a new token, set "
        "AWB_CODER_TOKEN to it and restart the meter. Run `awb coder check` to see which account is best.",
    )


def _api(situation: Situation) -> Notice | None:
    since = situation.unreached_since
    if since is None or situation.now - since < _API_AWAY:
        return None
    return Notice(
        key=f"api-away-{since.isoformat()}",
        severity=Severity.WARNING,
        headline="Coder's API has not answered for a day",
        summary=f"The API of Coder deployment “{situation.deployment}” has failed since "
        f"{moment_text(since, situation.zone)}: {situation.failure}",
        meaning="Until it answers again, the number is an estimate from notifications. Run `awb coder check` for "
        "details.",
    )


def _input(situation: Situation) -> Notice | None:
    """The dead-man's switch: builds are proved, but no notifications arrive."""
    since = situation.silent_since
    if not situation.proved_since_silence or (since is not None and situation.now - since < situation.silence_allowed):
        return None
    when = "ever" if since is None else f"since {moment_text(since, situation.zone)}"
    return Notice(
        key="input-broken",
        severity=Severity.WARNING,
        headline="Coder's notifications are not arriving",
        summary=f"No notification of Coder deployment “{situation.deployment}” has arrived {when}, but its API shows "
        f"{situation.proved_since_silence:,} new builds.",
        meaning="The count is still right, but late. Run `awb coder check` to find out what is switched off.",
    )
