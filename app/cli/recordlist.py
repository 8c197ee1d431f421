"""`awb records`: what was counted, newest first, optionally for one user, template or organization."""

import sys
from typing import Final

import click
from rich.markup import escape

from app import clock
from app.answers.records import Record
from app.cli.base import AS_JSON, DEPLOYMENT, EXIT_FAILED, fail, main, open_store, out, print_json
from app.cli.show import local, print_table
from app.config.load import Config
from app.core.count.meter import AWB, UsageRecord
from app.store.store import Store

_PAGE: Final = 500
DEFAULT_LIMIT: Final = 20


@main.command()
@click.option("--user", default="", metavar="NAME", help="Only records of this user's workspaces.")
@click.option("--template", default="", metavar="NAME", help="Only records of this template.")
@click.option("--organization", default="", metavar="NAME", help="Only records of this organization.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=DEFAULT_LIMIT, show_default=True, help="Rows to show.")
@DEPLOYMENT
@AS_JSON
@click.pass_context
def records(
    context: click.Context,
    user: str,
    template: str,
    organization: str,
    limit: int,
    deployment: str | None,
    as_json: bool,
) -> None:
    """List what was counted, newest first. `awb why KEY` explains one record; `awb export` writes all.

    Exit code 1 if there are none.
    """
    store, config = open_store(context, deployment)
    found = newest(store, limit, user=user, template=template, organization=organization)
    if as_json:
        print_json([Record.pick(record).plain() for record in found])
        sys.exit(0 if found else EXIT_FAILED)
    if not found:
        fail("no records match")
    show_records(found, config)
    if len(found) == limit:
        out.print("There may be more: raise --limit.")


def newest(
    store: Store, limit: int, *, user: str = "", template: str = "", organization: str = ""
) -> list[UsageRecord]:
    """Return the latest records that match the filters."""
    found: list[UsageRecord] = []
    cursor: str | None = None
    while len(found) < limit:
        page, cursor = store.records(AWB).page(
            cursor, min(_PAGE, limit - len(found)), user=user, template=template, organization=organization
        )
        found += page
        if cursor is None:
            break
    return found


def show_records(found: list[UsageRecord], config: Config) -> None:
    print_table(
        ("at", "user", "workspace", "template", "key"),
        [
            (
                local(clock.at(record.at), config.zone),
                escape(record.owner or "–"),
                escape(record.workspace or record.workspace_id),
                escape(record.template or "–"),
                escape(record.key),
            )
            for record in found
        ],
        right=("at",),
    )
