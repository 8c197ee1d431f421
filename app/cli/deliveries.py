"""`awb deliveries`: messages that were relayed to people and forwarded to other webhooks, and the results."""

import sys
from typing import Any, Final

import click
from rich.markup import escape

from app.answers.relays import Relay, Relays
from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_FAILED, actor, fail, main, open_store, out, print_json
from app.cli.show import local, print_table, styled
from app.core.relay.target import PERSON
from app.pipeline.relay.replay import Again, replay, replay_failed

#: Where the group stores the deployment for its subcommands, which accept the option, too.
_CHOSEN: Final = "app.cli.deliveries.deployment"
_RESULTS: Final = {
    Again.QUEUED: "queued for a retry",
    Again.NOT_FAILED: "not failed there, or not found",
    Again.NOT_KEPT: "its content is no longer kept",
}
_TARGET = click.option(
    "--target", default="", metavar="TARGET", help="Only this target: `relay` for people, or forward:NAME."
)


@main.group(invoke_without_command=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Messages to show.")
@click.option("--before", metavar="CURSOR", help="Continue a list: `next` of its JSON.")
@click.option("--state", type=click.Choice(["pending", "failed"]), help="Only pending or failed messages of a target.")
@_TARGET
@DEPLOYMENT
@AS_JSON
@click.pass_context
def deliveries(
    context: click.Context,
    limit: int,
    before: str | None,
    state: str | None,
    target: str,
    deployment: str | None,
    as_json: bool,
) -> None:
    """Show relayed and forwarded messages: state, attempts and reason for each target."""
    context.meta[_CHOSEN] = deployment
    if context.invoked_subcommand:
        return
    store, config = open_store(context, deployment)
    try:
        answer = Relays.of(store, config, limit, before, state=state or "", target=target or (PERSON if state else ""))
    except ValueError:
        fail("--before takes the `next` of an earlier list's JSON")
    if as_json:
        print_json(answer)
        return
    for one in answer.targets:
        out.print(f"{escape(one.target)}: {styled(one.condition)}: {escape(one.summary)}")
    if not answer.relays:
        out.print("No relays or forwards are configured." if not answer.targets else "No message.")
        return
    print_table(
        ("received", "message", "template", "target", "state", "tries", "what"),
        [_row(row, config.zone) for row in answer.relays],
        right=("tries",),
    )
    if answer.next:
        out.print("[dim]There is more: raise --limit.[/dim]")


@deliveries.command("replay")
@click.argument("message_ids", metavar="ID...", nargs=-1)
@click.option("--all-failed", is_flag=True, help="All messages that failed for the target.")
@_TARGET
@DEPLOYMENT
@click.pass_context
def replay_deliveries(
    context: click.Context, message_ids: tuple[str, ...], all_failed: bool, target: str, deployment: str | None
) -> None:
    """Retry messages that failed for a target, while their content is stored. Exit code 1 if one cannot be retried."""
    store, _ = open_store(context, deployment or context.meta[_CHOSEN])
    if bool(message_ids) == all_failed or not target:
        fail("give --target, and either messages or --all-failed")
    if all_failed:
        found = replay_failed(store, target, actor())
        out.print(f"{found.queued} queued for a retry; the content of {found.not_kept} is no longer stored")
        sys.exit(EXIT_FAILED if found.not_kept else 0)
    results = {one: replay(store, one, target, actor()) for one in message_ids}
    for one, word in results.items():
        out.print(escape(f"{one}: {_RESULTS[word]}"))
    sys.exit(0 if set(results.values()) == {Again.QUEUED} else EXIT_FAILED)


def _row(row: Relay, zone: Any) -> tuple[Any, ...]:
    what = row.reason or (f"by {row.via}" if row.via else "")
    return (
        local(row.received_at, zone),
        escape(row.message_id),
        escape(row.template),
        escape(row.target),
        styled(row.state),
        row.attempts,
        escape(what),
    )
