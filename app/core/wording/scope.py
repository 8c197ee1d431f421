"""Texts for the sub-limits of one user, template, organization or group."""

import hashlib
from dataclasses import replace

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Decision, Reason
from app.core.alert.scope import ScopeRule, ScopeUsage
from app.core.alert.severity import Severity
from app.core.count.meter import Usage, meter_of
from app.core.limit.limits import Limit
from app.core.text.lines import day_text
from app.core.wording.context import Context, limit_text, links, share, usage_text
from app.core.wording.scene import Scene

_SPANS = {"period": "in this period", "month": "this month", "day": "today (UTC)"}
_OWN_LIMIT = "This limit is set in the meter's configuration. Coder does not know it and blocks nothing."


def scope_name(scope: ScopeUsage) -> str:
    """Return the name of the alert: a hash, because people's names may contain characters that keys may not."""
    what = f"{scope.rule.meter}\0{scope.rule.by}\0{scope.rule.per}\0{scope.name}"
    return f"scope-{hashlib.blake2s(what.encode(), digest_size=6).hexdigest()}"


def scope_alert(decision: Decision, scope: ScopeUsage, usage: Usage, context: Context) -> Alert:
    """Return the alert for a decision about a sub-limit.

    Args:
        decision: any decision whose reason is not NONE.
        scope: the sub-limit and the name.
        usage: the name's usage against the sub-limit.
        context: what else is known.
    """
    resolved = decision.reason is Reason.RESOLVED and not decision.level
    over = usage.limit.count is not None and usage.used >= usage.limit.count
    numbers = f"{usage.used:,} of {limit_text(usage)}"
    who, when = f"{scope.rule.by} {scope.name}", _SPANS[scope.rule.per]
    level = decision.level
    news = f"is below {decision.previous} again" if resolved else f"has reached {level}"
    return Alert(
        name=scope_name(scope),
        kind=AlertKind.SCOPE,
        group_key=f"{usage.deployment}:{usage.meter}:{scope.label}:{usage.period.start.isoformat()}",
        deployment=usage.deployment,
        meter=usage.meter,
        scope=scope.label,
        reason=decision.reason,
        level=decision.level,
        previous=decision.previous,
        severity=Severity.OK if resolved else Severity.CRITICAL if over else Severity.WARNING,
        headline=f"{meter_of(usage.meter).short} of {who[:80]}: {share(usage)} – {numbers} used",
        summary=f"Coder deployment “{usage.deployment}”: {who} {news} of the limit set in the meter.",
        facts=((f"{meter_of(usage.meter).name} {when}", usage_text(usage)), ("Since", day_text(usage.period.start))),
        meaning="Nothing needs to be done." if resolved else _OWN_LIMIT,
        links=links(context),
        footer=f"Deployment {usage.deployment} · {scope.label} · reason: {decision.reason.value}",
        used=usage.used,
        limit=usage.limit.count,
    )


def sample(scene: Scene) -> Alert:
    user, used = scene.usage.by_user[0]
    rule = ScopeRule(by="user", name="*", limit=used * 10 // 9)
    usage = replace(scene.usage, limit=Limit(rule.limit), counted=used, by_user=(), by_template=())
    return scope_alert(scene.decision, ScopeUsage(rule, user, used), usage, scene.links_only)
