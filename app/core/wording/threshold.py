"""Texts for thresholds, from the first warning to the summary of a period that ended."""

from app.core.alert.alert import Alert, group_key
from app.core.alert.decision import Decision, Reason
from app.core.alert.severity import Severity
from app.core.count.meter import Usage, meter_of
from app.core.text.lines import moment_text
from app.core.wording.consequence import consequence
from app.core.wording.context import Context, limit_text, links, period_text, share, top, usage_text
from app.core.wording.scene import Scene


def describe(decision: Decision, usage: Usage, context: Context) -> Alert:
    """Return the alert for a decision.

    Args:
        decision: any decision whose reason is not NONE.
        usage: the usage that led to it; for SUMMARY, that of the period that ended.
        context: what else is known.
    """
    return Alert(
        name=usage.meter,
        group_key=group_key(usage),
        deployment=usage.deployment,
        meter=usage.meter,
        reason=decision.reason,
        level=decision.level,
        previous=decision.previous,
        severity=_severity(decision, usage),
        headline=_headline(decision, usage),
        summary=_summary(decision, usage),
        facts=_facts(decision, usage, context),
        meaning=_meaning(decision, usage, context),
        links=links(context, contact=usage.limit.count is not None and not _over(decision)),
        footer=_footer(decision, usage, context),
        used=usage.used,
        limit=usage.limit.count,
        burn_up=context.burn_up,
        breach=context.breach,
    )


def _over(decision: Decision) -> bool:
    """Return whether nothing remains to be done."""
    return decision.reason is Reason.SUMMARY or (decision.reason is Reason.RESOLVED and not decision.level)


def _severity(decision: Decision, usage: Usage) -> Severity:
    if _over(decision):
        return Severity.OK
    over = usage.limit.count is not None and usage.used >= usage.limit.count
    return Severity.CRITICAL if over else Severity.WARNING


def _headline(decision: Decision, usage: Usage) -> str:
    short, numbers = meter_of(usage.meter).short, f"{usage.used:,} of {limit_text(usage)} used"
    if decision.reason is Reason.SUMMARY:
        return f"{short}: the period has ended – {numbers}"
    if decision.reason is Reason.RESOLVED:
        news = f"back at {decision.level}" if decision.level else "resolved"
        return f"{short} {news} – {numbers}"
    waiting = "not acknowledged, " if decision.reason is Reason.UNACKNOWLEDGED else ""
    return f"{short} {waiting}{share(usage) or decision.level} – {numbers}"


def _summary(decision: Decision, usage: Usage) -> str:
    where = f"Coder deployment “{usage.deployment}”"
    level = (
        f"{decision.level} of its limit for {meter_of(usage.meter).name}"
        if decision.level.endswith("%")
        else decision.level
    )
    match decision.reason:
        case Reason.SUMMARY:
            return f"{where}: {decision.because} These are the figures of the one before."
        case Reason.RESOLVED:
            return f"{where}: {decision.because}"
        case Reason.REPEAT:
            return f"{where} is still at {level}."
        case Reason.UNACKNOWLEDGED:
            return f"{where} is at {level}, and nobody has acknowledged it."
        case _:
            return f"{where} has reached {level}."


def _facts(decision: Decision, usage: Usage, context: Context) -> tuple[tuple[str, str], ...]:
    facts = [(meter_of(usage.meter).name, usage_text(usage)), ("Period", period_text(usage))]
    if context.forecast and not _over(decision):
        facts.append(("Forecast", context.forecast))
    if usage.by_user:
        facts.append(("Top users", top(usage.by_user)))
    if usage.by_template:
        facts.append(("Top templates", top(usage.by_template)))
    return tuple(facts)


def _meaning(decision: Decision, usage: Usage, context: Context) -> str:
    if decision.reason is Reason.SUMMARY:
        return "Usage starts again from zero. Nothing needs to be done."
    if _over(decision):
        return "Nothing needs to be done."
    return consequence(usage, context.licence, context.version)


def _footer(decision: Decision, usage: Usage, context: Context) -> str:
    verified = usage.mode.value == "verified"
    how = "verified with Coder's API" if verified else "estimate from notifications"
    as_of = moment_text(usage.as_of, context.zone)
    return f"Deployment {usage.deployment} · {how} · {as_of} · reason: {decision.reason.value}"


def sample(scene: Scene) -> Alert:
    return describe(scene.decision, scene.usage, scene.context)
