"""`awb erase`: a person's data is deleted, or loses the name."""

import dataclasses

import click
from rich.markup import escape

from app.cli.base import AS_JSON, DEPLOYMENT, actor, main, open_store, out, print_json
from app.pipeline.operate.erase import erase as erase_user


@main.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def erase(context: click.Context, user: str, yes: bool, deployment: str | None, as_json: bool) -> None:
    """Erase a user of Coder, by name or address, and list what was removed. Builds stay counted, without the name.

    Delete the user in Coder first; otherwise the next notification or pass brings the name back.
    """
    store, config = open_store(context, deployment)
    if not yes:
        click.confirm(f"Permanently erase “{user}” in {store.deployment}?", abort=True, err=True)
    erased = erase_user(store, config, user, actor())
    if as_json:
        print_json(dataclasses.asdict(erased))
        return
    out.print(
        escape(
            f"{erased.records:,} records stay counted, under the name {erased.instead}\n"
            f"{erased.deliveries:,} stored deliveries lost their name and payload\n"
            f"{erased.messages:,} messages to be relayed lost their content\n"
            f"{erased.conversations:,} Slack conversations and {erased.groups:,} group memberships were deleted\n"
            "Not removed: names of workspaces; and, until AWB_KEEP_DAYS have passed, messages and events about this "
            "user's limits or bursts (awb messages, awb events) and failed jobs (awb queues)."
        )
    )
