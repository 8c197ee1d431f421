"""`awb events` and `awb messages`: what happened to alerts, and which messages were sent."""

from typing import Any

import click
from rich.markup import escape

from app.answers.alerts import Event, Events
from app.answers.messages import Notification, Notifications
from app.cli.base import AS_JSON, DEPLOYMENT, fail, main, open_store, out, print_json
from app.cli.show import local, print_table, styled

_LIMIT = click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Rows to show.")
_BEFORE = click.option("--before", metavar="CURSOR", help="Continue a list: the `next` value of its JSON.")


@main.command()
@_LIMIT
@_BEFORE
@DEPLOYMENT
@AS_JSON
@click.pass_context
def events(context: click.Context, limit: int, before: str | None, deployment: str | None, as_json: bool) -> None:
    """Show what happened to alerts, newest first: level, reason, and who acknowledged it."""
    store, config = open_store(context, deployment)
    try:
        page = Events.of(store, limit, before)
    except ValueError:
        fail("--before takes the `next` value of an earlier list's JSON")
    if as_json:
        print_json(page)
        return
    rows = [
        (
            local(row.at, config.zone),
            escape(row.alert),
            escape(row.level or "–"),
            escape(row.reason),
            _what(row),
        )
        for row in page.events
    ]
    _show(rows, ("at", "alert", "level", "reason", "what"), page.next, "Nothing has happened to any alert yet.")


@main.command()
@_LIMIT
@_BEFORE
@DEPLOYMENT
@AS_JSON
@click.pass_context
def messages(context: click.Context, limit: int, before: str | None, deployment: str | None, as_json: bool) -> None:
    """Show every message, newest first: receiver, state, attempts and error."""
    store, config = open_store(context, deployment)
    try:
        page = Notifications.of(store, limit, before)
    except ValueError:
        fail("--before takes the `next` value of an earlier list's JSON")
    if as_json:
        print_json(page)
        return
    rows = [
        (
            local(row.sent_at or row.decided_at, config.zone),
            styled(row.state),
            escape(row.receiver),
            row.attempts,
            _headline(row),
        )
        for row in page.notifications
    ]
    _show(rows, ("at", "state", "receiver", "tries", "message"), page.next, "No message was sent yet.")


def _what(row: Event) -> str:
    who = f" ({row.actor})" if row.actor and row.actor not in row.because else ""
    return escape(f"{row.because}{who}")


def _headline(row: Notification) -> str:
    why = row.error or (f"held: {row.held}" if row.held else "")
    return escape(row.headline) + (f"\n[dim]{escape(why)}[/dim]" if why else "")


def _show(rows: list[tuple[Any, ...]], titles: tuple[str, ...], following: str | None, nothing: str) -> None:
    if not rows:
        out.print(nothing)
        return
    print_table(titles, rows, right=("tries",))
    if following:
        out.print("[dim]There is more: raise --limit.[/dim]")
