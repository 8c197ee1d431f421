"""`awb alerts`: the state of alerts, and their acknowledgement."""

import click
from rich.markup import escape

from app.answers.alerts import Alert, Alerts
from app.cli.base import AS_JSON, DEPLOYMENT, actor, fail, main, open_store, out, print_json
from app.cli.show import local, print_table, styled
from app.config.load import Config
from app.core.text.spelling import did_you_mean


@main.group(invoke_without_command=True)
@DEPLOYMENT
@AS_JSON
@click.pass_context
def alerts(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """Show alerts, firing ones first, each with its last announcement; or acknowledge one."""
    context.meta["deployment"] = deployment
    if context.invoked_subcommand:
        return
    store, config = open_store(context.parent or context, deployment)
    answer = Alerts.of(store, config)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("alert", "state", "level", "since", "acknowledged", "last announcement"),
        [_row(alert, config) for alert in answer.alerts],
    )


def _row(alert: Alert, config: Config) -> tuple[str, ...]:
    fires = alert.state == "firing"
    silenced = " (silenced)" if fires and alert.silence else ""
    return (
        escape(alert.name),
        styled(alert.state) + silenced,
        escape(alert.level or "–"),
        local(alert.since, config.zone) if fires else "–",
        escape(alert.acknowledged_by or ("by nobody" if fires else "–")),
        escape(alert.announcement.headline if alert.announcement else "not announced yet"),
    )


@alerts.command()
@click.argument("name")
@click.option("--level", default="", help="Only if the alert is at this level, such as 90%.")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def ack(context: click.Context, name: str, level: str, deployment: str | None, as_json: bool) -> None:
    """Acknowledge the alert NAME: its level is not repeated or escalated; a higher one is still announced.

    Exit code 1 if the alert is not firing, or not at this level.
    """
    from app.pipeline.operate.acknowledge import (  # noqa: PLC0415 - slow to import, for lists in vain
        StaleError,
        acknowledge,
    )

    chosen = deployment or context.meta.get("deployment")
    store, config = open_store(context, chosen, lean=False)
    firing = store.alerts.firing()
    if name not in firing:
        listed = f"; firing: {', '.join(firing)}" if firing else "; none is firing"
        fail(f"no alert “{name}” is firing{did_you_mean(name, firing)}{listed}")
    try:
        new = acknowledge(store, config, name, level.replace(" %", "%"), actor())
    except StaleError as error:
        fail(str(error))
    if new:
        store.audit.write(actor(), "acknowledge alert", f"{name} {level}".strip())
    if as_json:
        print_json({"alert": name, "acknowledged_by": actor(), "new": new})
        return
    out.print(escape(f"{name} is acknowledged by {actor()}." if new else f"{name} was already acknowledged."))
