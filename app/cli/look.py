"""Commands that show what was counted, and why."""

import sys
from typing import IO, Any

import click
import redis
from rich.markup import escape
from rich.table import Table

from app import clock
from app.cli.base import (
    EXIT_FAILED,
    EXIT_UNAVAILABLE,
    fail,
    known_deployment,
    load_config,
    main,
    open_redis,
    out,
    print_json,
)
from app.core.delivery import InvalidDeliveryError, read_delivery, to_event
from app.core.meter import AWB
from app.core.rules import classify
from app.store.connection import unavailable
from app.store.inbox import Inbox
from app.store.ledger import Ledger
from app.web.answers import coder_answer, record_answer, usage_answer


@main.command()
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def explain(context: click.Context, file: IO[bytes], as_json: bool) -> None:
    """Show the verdict for a webhook body in FILE (- for standard input) without counting it."""
    loaded = load_config(context)
    try:
        delivery = read_delivery(file.read())
    except InvalidDeliveryError as error:
        fail(f"not a Coder notification: {error.reason}. The receiver would put it into quarantine.")
    event = to_event(loaded.settings.deployment, delivery.message_id, clock.now().timestamp(), delivery.payload)
    verdict = classify(event, loaded.rules, loaded.facts)
    shown = {
        "outcome": verdict.outcome.value,
        "evidence": verdict.evidence.value if verdict.evidence else None,
        "meter": verdict.meter or None,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "hint": verdict.hint or None,
        "notification": event.name or event.template_id,
        "workspace": event.workspace or None,
        "owner": event.owner or None,
        "template": event.template or None,
    }
    if as_json:
        print_json(shown)
        return
    for key, value in shown.items():
        if value is not None:
            click.echo(f"{key + ':':<14}{value}")


@main.command()
@click.argument("what")
@click.option("--deployment", callback=known_deployment, help="Another deployment than the configured one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def why(context: click.Context, what: str, deployment: str | None, as_json: bool) -> None:
    """Say why something was counted: WHAT is a usage key, a workspace id, or OWNER/WORKSPACE."""
    loaded = load_config(context)
    try:
        ledger = Ledger(open_redis(loaded), deployment or loaded.settings.deployment, AWB)
        records = ledger.find(what)
    except (redis.exceptions.RedisError, OSError) as error:
        fail(f"Redis is {unavailable(error)}", EXIT_UNAVAILABLE)
    answers = [record_answer(record) for record in records]
    if as_json:
        print_json(answers)
    elif not answers:
        fail(f"nothing is counted for “{what}”. Give a usage key, a workspace id, a workspace name or OWNER/WORKSPACE.")
    else:
        for answer in answers:
            for key, value in answer.items():
                click.echo(f"{key + ':':<14}{', '.join(value) if isinstance(value, list) else value}")
            click.echo()
    sys.exit(0 if answers else EXIT_FAILED)


@main.command()
@click.option("--deployment", callback=known_deployment, help="Another deployment than the configured one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """Show usage, limit, alert and the top users of the present period."""
    loaded = load_config(context)
    try:
        connection, name = open_redis(loaded), deployment or loaded.settings.deployment
        usage = usage_answer(connection, loaded, name)
        coder = coder_answer(connection, loaded, name) if loaded.verifying(name) else None
    except (redis.exceptions.RedisError, OSError) as error:
        fail(f"Redis is {unavailable(error)}", EXIT_UNAVAILABLE)
    if as_json:
        print_json({**usage, "coder": coder})
        return
    _show_usage(usage)
    if coder:
        _show_coder(usage, coder)
    table = Table("user", "used", box=None)
    for row in usage["by_user"]:
        table.add_row(escape(row["name"] or "(unknown)"), f"{row['used']:,}")
    if usage["by_user"]:
        out.print(table)


def _show_usage(usage: dict[str, Any]) -> None:
    limit = "unlimited" if usage["limit"] is None else f"{usage['limit']:,}"
    share = "" if usage["percent"] is None else f"  {usage['percent']} %"
    out.print(f"[bold]{usage['used']:,} of {limit}[/bold] Agent Workspace Builds{share}")
    if usage["percent"] is not None:
        filled = min(int(usage["percent"] / 2.5), 40)
        out.print("█" * filled + "░" * (40 - filled))
    out.print(
        f"alert: {usage['alert']['state']}" + (f" at {usage['alert']['level']}" if usage["alert"]["level"] else "")
    )
    out.print(f"period: {usage['period']['start'][:10]} to {(usage['period']['end'] or 'no end')[:10]}")
    verified = usage["mode"] == "verified"
    how = "proved with Coder's API" if verified else "an estimate from notifications, a lower bound"
    out.print(f"mode: {usage['mode']}: {how}")


def _show_coder(usage: dict[str, Any], coder: dict[str, Any]) -> None:
    out.print(f"Coder {escape(coder['version'] or '(not asked yet)')}, licence: {coder['licence']}")
    if usage["drift"] is not None:
        out.print(f"Coder's own number: {usage['coder_actual']:,} as of its last refresh; drift {usage['drift']:+,}")
        for cause in coder["drift_causes"] if usage["drift"] else []:
            out.print(f"  {escape(cause)}")
    for meter in coder["meters"]:
        limit = "unlimited" if meter["limit"] is None else f"{meter['limit']:,}"
        out.print(f"{meter['name']}: {meter['used']:,} of {limit}")
    if coder["failing_since"]:
        out.print(f"Coder's API fails since {coder['failing_since']}: {escape(coder['failure'] or '')}")


@main.command()
@click.option("--deployment", callback=known_deployment, help="Another deployment than the configured one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def quarantine(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """List bodies that were authenticated but no Coder notifications."""
    loaded = load_config(context)
    try:
        rows = Inbox(open_redis(loaded), deployment or loaded.settings.deployment).quarantined()
    except (redis.exceptions.RedisError, OSError) as error:
        fail(f"Redis is {unavailable(error)}", EXIT_UNAVAILABLE)
    if as_json:
        print_json(rows)
    for row in [] if as_json else rows:
        click.echo(f"{row['message_id']}  {row['bytes']:>7} bytes  {row['reason']}")
