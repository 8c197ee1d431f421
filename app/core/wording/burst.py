"""Texts for bursts: one user started very many builds in a short time."""

import hashlib
from datetime import UTC, datetime

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Reason
from app.core.alert.scope import BurstRule
from app.core.alert.severity import Severity
from app.core.count.meter import meter_of
from app.core.text.lines import moment_text
from app.core.wording.context import Context, links
from app.core.wording.scene import Scene


def burst_name(user: str) -> str:
    return f"burst-{hashlib.blake2s(user.encode(), digest_size=6).hexdigest()}"


def burst_alert(
    deployment: str, meter: str, user: str, builds: int, rule: BurstRule, now: datetime, context: Context
) -> Alert:
    """Return the alert about one user's unusually many builds in a short time."""
    name, span = meter_of(meter), "hour" if rule.hours == 1 else f"{rule.hours:g} hours"
    return Alert(
        name=burst_name(user),
        kind=AlertKind.BURST,
        group_key=f"{deployment}:burst:{user}:{now.astimezone(UTC).date().isoformat()}",
        deployment=deployment,
        meter=meter,
        scope=f"user:{user}",
        reason=Reason.FIRST,
        level=f"{rule.builds} builds",
        severity=Severity.WARNING,
        headline=f"{name.short}: {builds:,} builds of {user[:80]} within the last {span}",
        summary=f"Coder deployment “{deployment}”: user {user} is starting unusually many {name.name}.",
        meaning="Check whether a pipeline starts tasks in a loop. Nothing is blocked, and the builds count.",
        facts=(("User", user), ("Builds", f"{builds:,} within the last {span} (alert from {rule.builds:,})")),
        links=links(context),
        footer=f"Deployment {deployment} · {moment_text(now, context.zone)} · sent once until it is over",
        used=builds,
    )


def sample(scene: Scene) -> Alert:
    rule = scene.burst if scene.burst.builds else BurstRule(builds=40)
    user, usage = scene.usage.by_user[0][0], scene.usage
    return burst_alert(usage.deployment, usage.meter, user, rule.builds, rule, scene.now, scene.links_only)
