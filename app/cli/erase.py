"""`awb erase`: what is kept of a person goes, or loses the name."""

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
    """Erase a user of Coder, by name or address, and say what was removed; builds stay counted, without the name.

    Delete the user in Coder first: one who still exists there is named again by the next notification or pass.
    """
    store, config = open_store(context, deployment)
    if not yes:
        click.confirm(f"Erase “{user}” in {store.deployment} for good?", abort=True, err=True)
    erased = erase_user(store, config, user, actor())
    if as_json:
        print_json(dataclasses.asdict(erased))
        return
    out.print(
        escape(
            f"{erased.records:,} records stay counted, as those of {erased.instead}\n"
            f"{erased.deliveries:,} kept deliveries lost name and payload\n"
            f"{erased.messages:,} messages that were to be passed on lost their content\n"
            f"{erased.conversations:,} Slack conversations and {erased.groups:,} memberships of groups are forgotten\n"
            "Left: names of workspaces; and until AWB_KEEP_DAYS what was said of a limit or a burst of this user "
            "(awb messages, awb events), and failed jobs (awb queues)."
        )
    )
