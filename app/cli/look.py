"""Commands that explain one delivery or one record."""

import sys
from typing import IO

import click
from rich.markup import escape

from app import clock
from app.answers.records import ExplainedRecord
from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_FAILED, fail, load_config, main, open_store, out, print_json
from app.cli.recordlist import DEFAULT_LIMIT, newest, show_records
from app.cli.show import facts_table, local, print_wide
from app.config.load import Config
from app.core.count.delivery import Event, InvalidDeliveryError, read_delivery, to_event
from app.core.count.estimate import provisional_records
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB
from app.core.count.rules import EvidenceKind, Outcome, Verdict, classify
from app.store.count.search import find


@main.command()
@click.argument("file", type=click.File("rb"))
@AS_JSON
@click.pass_context
def explain(context: click.Context, file: IO[bytes], as_json: bool) -> None:
    """Show the verdict for a webhook body in FILE (- for standard input) without counting it.

    Exit code 1 if it is not a notification.
    """
    loaded = load_config(context, lean=True)
    try:
        delivery = read_delivery(file.read())
    except InvalidDeliveryError as error:
        fail(f"not a Coder notification: {error.reason}. The receiver would quarantine it.")
    event = to_event(loaded.settings.deployment, delivery.message_id, clock.now().timestamp(), delivery.payload)
    verdict = classify(event, loaded.rules, loaded.facts)
    counts, meaning = _counts(event, verdict, loaded.ai_templates)
    shown = {
        "counts": counts,
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
    out.print(f"[bold]Counts: {counts}[/bold], {meaning}")
    facts = [(f"{key}:", escape(value)) for key, value in shown.items() if value is not None and key != "counts"]
    print_wide(facts_table(facts))


def _counts(event: Event, verdict: Verdict, ai_templates: frozenset[str]) -> tuple[str, str]:
    """Return whether a notification alone counts a build, and what that means."""
    if verdict.outcome is not Outcome.EVIDENCE:
        return "no", "it does not report a start for a task"
    seen = Evidence().with_event(event, verdict)
    if provisional_records(seen, verdict.meter, event.workspace_id, ai_templates, str):
        return "yes", "as one build, however often it is sent; with Coder's API the build is proved"
    if verdict.evidence is EvidenceKind.FAILED:
        return "no", "it cancels a start that was announced"
    return "not yet", "as soon as another notification shows that the workspace belongs to a task"


@main.command()
@click.argument("what")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def why(context: click.Context, what: str, deployment: str | None, as_json: bool) -> None:
    """Show why something was counted, or list the latest builds of a user.

    WHAT is a usage key, a workspace id, a workspace name, OWNER/WORKSPACE or a user. Exit code 1 if nothing was found.
    """
    store, config = open_store(context, deployment)
    records = find(store.records(AWB), what)
    of_user = [] if records else newest(store, DEFAULT_LIMIT, user=what)
    if of_user and not as_json:
        out.print(
            f"[bold]{escape(what)}[/bold] is a user; these are the latest builds, and `awb why KEY` explains one:"
        )
        show_records(of_user, config)
        return
    records = records or of_user
    answers = [ExplainedRecord.of(record, store, config) for record in records]
    if as_json:
        print_json([answer.plain() for answer in answers])
        sys.exit(0 if answers else EXIT_FAILED)
    if not answers:
        known = "a usage key, a workspace id, a workspace name, OWNER/WORKSPACE or a user"
        fail(f"nothing was counted for “{what}”. Give {known}.")
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
