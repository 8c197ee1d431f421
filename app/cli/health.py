"""Commands that check an installation."""

import contextlib
import sys
from collections.abc import Sequence

import click
import redis
from rich.markup import escape

from app.answers.setup import setup_steps
from app.cli.base import load_with_kept_secret, main, open_redis, out
from app.cli.findings import show_findings
from app.core.health.setup import Step
from app.doctor import examine as doctor
from app.store.store import Store


@main.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def examine(context: click.Context, as_json: bool) -> None:
    """Check secret, Redis, receiver, Slack, mail server, clock and input. Exit code 1 if something is broken."""
    config_in_force = load_with_kept_secret(context)
    connection = open_redis(config_in_force)
    code = show_findings(doctor.examine(config_in_force, connection), as_json=as_json)
    if not as_json:
        # If Redis is unavailable, a finding above says so.
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            _show_setup(setup_steps(Store(connection, config_in_force.settings.deployment), config_in_force))
    sys.exit(code)


def _show_setup(steps: Sequence[Step]) -> None:
    if steps:
        out.print(f"\nSetup: {sum(step.done for step in steps)} of {len(steps)} done")
    for step in steps:
        mark = "[green]done[/green] " if step.done else "[yellow]to do[/yellow]"
        out.print(f"  {mark}  {escape(step.title)}")
        if not step.done:
            out.print(f"         → {escape(step.how)} ({step.doc})")
