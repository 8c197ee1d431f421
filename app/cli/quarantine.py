"""Commands that review the quarantine."""

import json
import sys
from typing import Final

import click
from rich.markup import escape

from app.answers.queues import Quarantined
from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_FAILED, actor, fail, main, open_store, out, print_json
from app.pipeline.operate.quarantine import Released, discard, release, show
from app.store.receive.inbox import QUARANTINE_KEPT

#: Where the group stores the deployment for its subcommands, which accept the option, too.
_CHOSEN: Final = "app.cli.quarantine.deployment"
_RESULTS = {
    Released.QUEUED: "queued for classification",
    Released.DUPLICATE: "was already accepted; removed from quarantine",
    Released.UNREADABLE: "still not a valid notification; see `awb quarantine show`",
    Released.NOT_KEPT: "its content was not stored",
    Released.NOT_KNOWN: "not found, or expired",
}


@main.group(invoke_without_command=True)
@DEPLOYMENT
@AS_JSON
@click.pass_context
def quarantine(context: click.Context, deployment: str | None, as_json: bool) -> None:
    """List bodies that were authenticated but are not Coder notifications; or show, release or discard one."""
    context.meta[_CHOSEN] = deployment
    if context.invoked_subcommand:
        return
    store, _ = open_store(context, deployment)
    rows = store.inbox.quarantined(QUARANTINE_KEPT)
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("The quarantine is empty.")
    for row in rows:
        click.echo(f"{row['message_id']}  {row['bytes']:>7} bytes  {row['reason']}")


@quarantine.command("show")
@click.argument("message_id", metavar="ID")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def show_body(context: click.Context, message_id: str, deployment: str | None, as_json: bool) -> None:
    """Show one body without secrets, prompts and addresses, and whether it can be released."""
    store, _ = open_store(context, deployment or context.meta[_CHOSEN])
    found = show(store, message_id)
    if found is None:
        fail(f"“{message_id}” is not in quarantine")
    answer = Quarantined.of(found)
    if as_json:
        print_json(answer)
        return
    plain = answer.plain()
    for field in ("message_id", "received_at", "bytes", "reason", "problem", "note"):
        if plain[field] is not None:
            out.print(escape(f"{field + ':':<14}{plain[field]}"))
    if found.content is not None:
        out.print(escape(json.dumps(found.content, indent=2, ensure_ascii=False)))
    if not found.problem:
        out.print(f"It is readable now. Run: awb quarantine release {escape(message_id)}")


@quarantine.command("release")
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True)
@DEPLOYMENT
@click.pass_context
def release_bodies(context: click.Context, message_ids: tuple[str, ...], deployment: str | None) -> None:
    """Classify bodies that are readable now. Exit code 1 if one stays in the quarantine."""
    store, _ = open_store(context, deployment or context.meta[_CHOSEN])
    results = {one: release(store, one, actor()) for one in message_ids}
    for one, word in results.items():
        out.print(escape(f"{one}: {_RESULTS[word]}"))
    sys.exit(0 if set(results.values()) <= {Released.QUEUED, Released.DUPLICATE} else EXIT_FAILED)


@quarantine.command("discard")
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True)
@DEPLOYMENT
@click.pass_context
def discard_bodies(context: click.Context, message_ids: tuple[str, ...], deployment: str | None) -> None:
    """Permanently delete bodies. Exit code 1 if one does not exist."""
    store, _ = open_store(context, deployment or context.meta[_CHOSEN])
    done = {one: discard(store, one, actor()) for one in message_ids}
    for one, was_there in done.items():
        out.print(escape(f"{one}: {'discarded' if was_there else 'not found'}"))
    sys.exit(0 if all(done.values()) else EXIT_FAILED)
