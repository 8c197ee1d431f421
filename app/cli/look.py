"""Commands that show what something means: one delivery, one record."""

import sys
from typing import IO

import click
from rich.markup import escape

from app import clock
from app.answers.records import ExplainedRecord
from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_FAILED, fail, load_config, main, open_store, out, print_json
from app.cli.show import facts_table, local, print_wide
from app.config.load import Config
from app.core.count.delivery import InvalidDeliveryError, read_delivery, to_event
from app.core.count.meter import AWB
from app.core.count.rules import classify


@main.command()
@click.argument("file", type=click.File("rb"))
@AS_JSON
@click.pass_context
def explain(context: click.Context, file: IO[bytes], as_json: bool) -> None:
    """Show the verdict for a webhook body in FILE (- for standard input) without counting it.

    Exit code 1 if it is no notification.
    """
    loaded = load_config(context, lean=True)
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
    print_wide(facts_table((f"{key}:", escape(value)) for key, value in shown.items() if value is not None))


@main.command()
@click.argument("what")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def why(context: click.Context, what: str, deployment: str | None, as_json: bool) -> None:
    """Say why something was counted: WHAT is a usage key, a workspace id, a workspace name, or OWNER/WORKSPACE.

    Exit code 1 if nothing was.
    """
    store, config = open_store(context, deployment)
    records = store.records(AWB).find(what)
    answers = [ExplainedRecord.of(record, store, config) for record in records]
    if as_json:
        print_json([answer.plain() for answer in answers])
        sys.exit(0 if answers else EXIT_FAILED)
    if not answers:
        fail(f"nothing is counted for “{what}”. Give a usage key, a workspace id, a workspace name or OWNER/WORKSPACE.")
    for number, answer in enumerate(answers):
        if number:
            out.print()
        _show(answer, config)


def _show(answer: ExplainedRecord, config: Config) -> None:
    at = local(answer.at, config.zone)
    names = "/".join(filter(None, (answer.owner, answer.workspace))) or answer.workspace_id
    out.print(f"[bold]{escape(names)}[/bold]  {at}, {answer.state}")
    fields = ("rule", "state", "template", "organization", "weight", "key", "workspace_id", "build_id")
    known = [(f"{name}:", str(value)) for name in fields if (value := getattr(answer, name)) not in (None, "")]
    facts = [("reason:", answer.reason)] if answer.reason else []
    facts += [("at:", f"{at} ({config.settings.time_zone})"), *known]
    if answer.workspace_url:
        facts.append(("link:", answer.workspace_url))
    for number, proof in enumerate(answer.delivery_details):
        when = f"{local(proof.received_at, config.zone)}  {proof.notification}  " if proof.received_at else ""
        facts.append(("" if number else "deliveries:", f"{when}{proof.message_id}"))
    print_wide(facts_table((label, escape(value)) for label, value in facts))
