"""Commands that show what something means: one delivery, one record."""

import sys
from typing import IO, Any
from urllib.parse import quote

import click
from rich.markup import escape

from app import clock
from app.answers.plain import moment
from app.answers.usage import record_answer
from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_FAILED, fail, load_config, main, open_store, out, print_json
from app.cli.show import facts_table, local, print_wide
from app.config.load import Config
from app.core.count.delivery import InvalidDeliveryError, read_delivery, to_event
from app.core.count.meter import AWB, UsageRecord
from app.core.count.rules import classify
from app.store.receive.inbox import Inbox


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
    inbox = store.inbox
    answers = [_answer(record, config, inbox) for record in records]
    if as_json:
        print_json(answers)
        sys.exit(0 if answers else EXIT_FAILED)
    if not answers:
        fail(f"nothing is counted for “{what}”. Give a usage key, a workspace id, a workspace name or OWNER/WORKSPACE.")
    for number, answer in enumerate(answers):
        if number:
            out.print()
        _show(answer, config)


def _answer(record: UsageRecord, config: Config, inbox: Inbox) -> dict[str, Any]:
    """Return the record as the API gives it, the workspace's address, and what its deliveries were."""
    told = [_told(message_id, inbox) for message_id in record.deliveries]
    return {**record_answer(record), "workspace_url": _workspace_url(record, config), "delivery_details": told}


def _told(message_id: str, inbox: Inbox) -> dict[str, Any]:
    """Return what became of a delivery; after AWB_KEEP_DAYS there is nothing but its id."""
    found = inbox.delivery(message_id) or {}
    return {
        "message_id": message_id,
        "received_at": moment(found.get("received_at")),
        "notification": found.get("template"),
        "rule": found["verdict"]["rule"] if found else None,
    }


def _workspace_url(record: UsageRecord, config: Config) -> str | None:
    base = config.settings.coder_url
    return f"{base}/@{quote(record.owner)}/{quote(record.workspace)}" if base and record.owner else None


def _show(answer: dict[str, Any], config: Config) -> None:
    names = "/".join(filter(None, (answer["owner"], answer["workspace"]))) or answer["workspace_id"]
    out.print(f"[bold]{escape(names)}[/bold]  {local(answer['at'], config.zone)}, {answer['state']}")
    known = [("at:", local(answer["at"], config.zone) + f" ({config.settings.time_zone})")]
    keys = ("reason", "rule", "state", "template", "organization", "weight", "key", "workspace_id", "build_id")
    facts = [(f"{key}:", escape(str(answer[key]))) for key in keys if answer[key] not in (None, "")]
    facts = [facts[0], *known, *facts[1:]]
    if answer["workspace_url"]:
        facts.append(("link:", escape(answer["workspace_url"])))
    for number, told in enumerate(answer["delivery_details"]):
        when = f"{local(told['received_at'], config.zone)}  {told['notification']}  " if told["received_at"] else ""
        facts.append(("" if number else "deliveries:", escape(f"{when}{told['message_id']}")))
    print_wide(facts_table(facts))
