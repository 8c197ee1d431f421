"""Texts for forecasts: the limit is expected to be reached before the period ends, or no longer is."""

from dataclasses import replace
from datetime import timedelta

from app.core.alert.alert import Alert, AlertKind, group_key
from app.core.alert.decision import Reason
from app.core.alert.severity import Severity
from app.core.count.meter import Usage, meter_of
from app.core.text.lines import day_text
from app.core.wording.consequence import consequence
from app.core.wording.context import Context, limit_text, links, period_text, usage_text
from app.core.wording.scene import Scene


def forecast_alert(usage: Usage, reason: Reason, context: Context) -> Alert:
    """Return the alert for a forecast.

    Args:
        usage: the current usage.
        reason: FIRST, REPEAT or RESOLVED.
        context: includes the forecast in words and the day of the breach.
    """
    short, name = meter_of(usage.meter).short, meter_of(usage.meter).name
    resolved = reason is Reason.RESOLVED
    when = day_text(context.breach) if context.breach else ""
    where = f"Coder deployment “{usage.deployment}”"
    headline = "limit no longer expected to be reached" if resolved else f"limit expected to be reached on {when}"
    summary = (
        f"{where} is no longer expected to reach its limit of {name} in this period."
        if resolved
        else f"{where} is expected to reach its limit of {limit_text(usage)} {name} on {when}."
    )
    facts = [(name, usage_text(usage)), ("Period", period_text(usage))]
    facts += [("Forecast", context.forecast)] if context.forecast else []
    return Alert(
        name=f"forecast-{usage.meter}",
        kind=AlertKind.FORECAST,
        group_key=group_key(usage),
        deployment=usage.deployment,
        meter=usage.meter,
        reason=reason,
        level="" if resolved else "forecast",
        previous="forecast" if resolved else "",
        severity=Severity.OK if resolved else Severity.WARNING,
        headline=f"{short}: {headline}",
        summary=summary,
        facts=tuple(facts),
        meaning="Nothing needs to be done." if resolved else consequence(usage, context.licence, context.version),
        links=links(context, contact=not resolved),
        footer=f"Deployment {usage.deployment} · forecast from the pace so far · reason: {reason.value}",
        used=usage.used,
        limit=usage.limit.count,
        burn_up=context.burn_up,
        breach=context.breach,
    )


def sample(scene: Scene) -> Alert:
    breach = scene.context.breach or scene.utc.date() + timedelta(days=20)
    return forecast_alert(scene.usage, Reason.FIRST, replace(scene.context, breach=breach))
