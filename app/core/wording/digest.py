"""Texts for the weekly and monthly digest."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.alert.alert import Alert, AlertKind, group_key
from app.core.alert.decision import Reason
from app.core.alert.digest import DigestSpan, due_digest
from app.core.alert.severity import Severity
from app.core.count.meter import Usage, meter_of
from app.core.text.lines import moment_text
from app.core.wording.context import Context, links, period_text, top, usage_text
from app.core.wording.scene import Scene


@dataclass(frozen=True, slots=True)
class DigestFacts:
    """The content of a digest besides the period's usage.

    Attributes:
        used, before: units of the span, and of the span before it.
        by_user, by_template: (name, units) of the span, highest first.
        changes: what changed in the span, as one sentence each: alerts, limit, drift.
    """

    used: int
    before: int
    by_user: Sequence[tuple[str, int]]
    by_template: Sequence[tuple[str, int]]
    changes: Sequence[str]


def digest_alert(span: DigestSpan, facts: DigestFacts, usage: Usage, context: Context, severity: Severity) -> Alert:
    """Return the report on a span; `usage` and `severity` are those of the current period."""
    meter = meter_of(usage.meter)
    kind = "week" if span.kind == "weekly" else "month"
    shown = [
        (f"This {kind}", f"{facts.used:,} ({_against(facts.used, facts.before)} the {kind} before)"),
        ("This period", usage_text(usage)),
        ("Period", period_text(usage)),
    ]
    shown += [("Forecast", context.forecast)] if context.forecast else []
    shown += [("Top users", top(facts.by_user))] if facts.by_user else []
    shown += [("Top templates", top(facts.by_template))] if facts.by_template else []
    if usage.drift is not None:
        shown.append(("Drift", f"{usage.drift:+,} against Coder's own number" if usage.drift else "none"))
    return Alert(
        name=f"digest-{span.kind}",
        kind=AlertKind.DIGEST,
        group_key=f"{group_key(usage)}:digest-{span.kind}",
        deployment=usage.deployment,
        meter=usage.meter,
        reason=Reason.DIGEST,
        level="",
        severity=severity,
        headline=f"{meter.short} {span.kind} report, {span.title}: {facts.used:,} used",
        summary=f"{meter.name} of Coder deployment “{usage.deployment}”.",
        facts=tuple(shown),
        meaning=" ".join(facts.changes) or f"Nothing else changed this {kind}.",
        links=links(context),
        footer=f"Deployment {usage.deployment} · {usage.mode.value} · {moment_text(usage.as_of, context.zone)}",
        used=usage.used,
        limit=usage.limit.count,
        burn_up=context.burn_up,
        breach=context.breach,
    )


def _against(now: int, before: int) -> str:
    if now == before:
        return "as many as"
    return f"{abs(now - before):,} {'more' if now > before else 'fewer'} than"


def sample(scene: Scene) -> Alert:
    usage = scene.usage
    facts = DigestFacts(76, 60, usage.by_user, usage.by_template, ("AWB reached 75%.",))
    return digest_alert(due_digest("weekly", scene.now), facts, usage, scene.context, Severity.WARNING)
