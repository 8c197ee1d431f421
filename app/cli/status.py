"""`awb status`: usage, forecast, recent messages, and what to do next."""

from datetime import datetime
from textwrap import shorten
from typing import Final
from zoneinfo import ZoneInfo

import click
from rich.markup import escape
from rich.text import Text

from app import clock
from app.answers.alerts import Alert
from app.answers.coder import Coder, MeterUsage
from app.answers.status import Status
from app.cli.allstatus import show_all
from app.cli.bar import bar
from app.cli.base import AS_JSON, DEPLOYMENT, main, open_store, out, print_json
from app.cli.program import runnable
from app.cli.show import STYLES, facts_table, local, print_wide, styled
from app.config.load import Config
from app.core.alert.decision import AlertStatus
from app.core.coder.history import HistorySource
from app.core.count.era import NO_LONGER_COUNTED
from app.core.count.meter import AWB, Mode, Usage
from app.core.text.sparkline import sparkline
from app.core.wording.context import period_text
from app.core.wording.usagestatus import usage_status
from app.pipeline.outlook import is_projected
from app.pipeline.usage import current_usage

_TOP: Final = 3
_LONGEST_ERROR: Final = 100
_WIDEST_BAR: Final = 72
_NARROWEST_BAR: Final = 20
_TROUBLES: Final = {"error": ("bold red", "ERROR"), "warning": ("yellow", "warning")}
_MODES: Final = {
    Mode.VERIFIED: "verified: every build is proved with Coder's API",
    Mode.WEBHOOK_ONLY: "webhook-only: an estimate from notifications, which may be too low or too high",
}


@main.command()
@DEPLOYMENT
@click.option("--all", "every", is_flag=True, help="Show every deployment, worst first.")
@AS_JSON
@click.pass_context
def status(context: click.Context, deployment: str | None, every: bool, as_json: bool) -> None:
    """Show usage, limit, forecast, alerts and messages of the current period."""
    if every and deployment:
        raise click.UsageError("--all and --deployment exclude each other")
    if every:
        show_all(*open_store(context, None), as_json=as_json)
        return
    store, config = open_store(context, deployment)
    usage = current_usage(store, config, AWB, top=False)
    status = Status.now(store, config)
    if as_json:
        print_json(status)
        return
    _show_health(status)
    if usage.gone:
        _show_successors(status)
    else:
        _show_usage(usage, config, projected=is_projected(store, config, usage))
    print_wide(
        facts_table([*_usage_facts(usage, status, config), *_alert_facts(status, config), *_next(status, config)])
    )


def _show_health(status: Status) -> None:
    """Print what does not work and what to do, worst first, before anything else."""
    rows = []
    for check in status.health.troubles:
        style, word = _TROUBLES[check.outcome]
        rows.append((word, Text.assemble((check.message, style), f" → {runnable(check.hint)}" if check.hint else "")))
    if rows:
        print_wide(facts_table(rows))
        out.print()


def _show_usage(usage: Usage, config: Config, *, projected: bool) -> None:
    status = usage_status(usage, config.thresholds, projected=projected)
    limit = "unlimited" if usage.limit.count is None else f"{usage.limit.count:,}"
    share = "" if usage.percent is None else f"  {usage.percent:g}%"
    left = usage.limit.left(usage.used)
    more = f"  ({left:,} left)" if left else ""
    out.print(f"[bold]{usage.used:,} of {limit}[/bold] Agent Workspace Builds{share}{more}")
    drawn = bar(usage, config.thresholds, max(min(out.width, _WIDEST_BAR), _NARROWEST_BAR), projected=projected)
    for line in drawn or ():
        out.print(line)
    out.print(Text.assemble((status.severity.upper(), STYLES[status.severity]), f": {status.words}"))
    out.print()


def _show_successors(status: Status) -> None:
    """Print that builds are no longer counted, and what Coder meters instead."""
    out.print(NO_LONGER_COUNTED)
    for meter in status.coder.meters if status.coder else ():
        share = "" if meter.percent is None else f"  {meter.percent:g}%"
        out.print(f"[bold]{_used(meter)}[/bold] {escape(meter.name)}{share}")
    out.print()


def _used(meter: MeterUsage) -> str:
    limit = "unlimited" if meter.limit is None else f"{meter.limit:,}"
    return f"{meter.used:,} of {limit}"


def _usage_facts(usage: Usage, status: Status, config: Config) -> list[tuple[str, str | Text]]:
    coder = _coder_facts(status, status.coder, config.zone) if status.coder else []
    if usage.gone:
        return [("counted until then", f"{usage.counted:,} Agent Workspace Builds"), *coder]
    days = status.last_30_days
    facts: list[tuple[str, str | Text]] = [("last 30 days", f"{sparkline(days)}  {_about(days)}")]
    facts += [("forecast", escape(status.forecast.words)), ("period", escape(period_text(usage)))]
    tops = ", ".join(f"{row.name or '(unknown)'} {row.used:,}" for row in status.by_user[:_TOP])
    facts += [("top users", escape(tops))] if tops else []
    return [*facts, ("mode", _MODES[status.mode]), *coder]


def _about(days: list[int]) -> str:
    return f"{sum(days):,} in total, {max(days):,} on the busiest day, {days[-1]:,} today (UTC)"


def _coder_facts(status: Status, coder: Coder, zone: ZoneInfo) -> list[tuple[str, str | Text]]:
    facts: list[tuple[str, str | Text]] = [
        ("Coder", escape(f"{coder.version or '(not asked yet)'}, licence: {coder.licence}"))
    ]
    if status.drift is not None:
        causes = " ".join(coder.drift_causes) if status.drift else ""
        number = f"{status.drift:+,}" if status.drift else "none"
        text = f"{number} against Coder's own {status.coder_actual:,} as of its last refresh. {causes}"
        facts.append(("drift", escape(text.strip())))
    facts += [("", escape(f"{meter.name}: {_used(meter)}")) for meter in coder.meters]
    if coder.pass_progress:
        facts.append(("", escape(f"The pass in progress {coder.pass_progress.words}.")))
    if coder.failing_workspaces:
        facts.append(("", f"Coder fails for {coder.failing_workspaces:,} workspaces, which are retried."))
    if coder.deleted_source is HistorySource.NONE:
        facts.append(("", escape(coder.deleted_words)))
    if coder.failing_since:
        since = local(coder.failing_since, zone)
        facts.append(("", f"[bold red]Coder's API fails[/] since {since}: {escape(coder.failure or '')}"))
    return facts


def _alert_facts(status: Status, config: Config) -> list[tuple[str, str | Text]]:
    zone = config.zone
    facts: list[tuple[str, str | Text]] = []
    for alert in status.alerts:
        if alert.state is AlertStatus.FIRING or alert.name == AWB:
            facts.append(("alert" if not facts else "", _alert(alert, config)))
    for number, silence in enumerate(status.silences):
        what = " ".join(f"{field}={glob}" for field, glob in silence.matchers.items())
        why = f": {silence.comment}" if silence.comment else ""
        text = f"{what} until {local(silence.ends_at, zone)}, by {silence.author}{why}"
        facts.append(("" if number else "silenced", escape(text)))
    for number, message in enumerate(status.notifications):
        at = local(message.sent_at or message.decided_at, zone)
        error = f" ({escape(shorten(message.error, _LONGEST_ERROR, placeholder='…'))})" if message.error else ""
        text = f"{at}  {styled(message.state)} to {escape(message.receiver)}: {escape(message.headline)}"
        facts.append(("" if number else "messages", text + error))
    return facts


def _alert(alert: Alert, config: Config) -> str:
    if alert.state is not AlertStatus.FIRING:
        return f"{styled(alert.state)}: {escape(alert.name)}"
    level = f" at {alert.level}" if alert.level else ""
    headline = f": {alert.announcement.headline}" if alert.announcement and alert.name != AWB else ""
    since = f" since {local(alert.since, config.zone)}" if alert.since else ""
    who = alert.acknowledged_by
    known = f"acknowledged by {who}" if who else "nobody has acknowledged it"
    return f"{styled('firing')} {escape(alert.name + level + since + headline)}; {escape(known)}"


def _next(status: Status, config: Config) -> list[tuple[str, str | Text]]:
    """Return the next steps, most urgent first."""
    steps = []
    waiting = [one for one in status.alerts if one.state is AlertStatus.FIRING and not one.acknowledged_by]
    if waiting:
        steps.append(f"[bold]awb alerts ack {escape(waiting[0].name)}[/]  acknowledges it")
    if any(message.state == "failed" for message in status.notifications):
        steps.append("[bold]awb messages[/] and [bold]awb doctor[/]  show why messages fail")
    if status.mode is Mode.WEBHOOK_ONLY and not config.verifying(status.deployment):
        steps.append("AWB_CODER_URL and AWB_CODER_TOKEN make the number exact")
    steps += [
        "[bold]awb top[/] and [bold]awb why OWNER/WORKSPACE[/]  show who and why",
        escape(config.settings.public_url),
    ]
    shown = [("next" if not number else "", step) for number, step in enumerate(filter(None, steps))]
    return [*shown, ("as of", escape(f"{_as_of(status.as_of, config)}, deployment {status.deployment}"))]


def _as_of(at: datetime, config: Config) -> str:
    return f"{local(at, config.zone)} {clock.now().astimezone(config.zone):%Z}"
