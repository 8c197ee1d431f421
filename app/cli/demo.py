"""`awb demo`."""

import sys

import click

from app.cli.base import main


@main.command()
@click.option("--keep", is_flag=True, default=None, help="Keep the page running at the end; default on a terminal.")
@click.option("--verbose", is_flag=True, help="Show every scenario and every message.")
@click.option("--days", type=click.IntRange(7, 366), default=91, show_default=True, help="Days to simulate.")
def demo(keep: bool | None, verbose: bool, days: int) -> None:
    """Simulate three months of Coder against the real meter, with local sinks for Slack and mail."""
    from app.demo.demo import run_demo  # noqa: PLC0415 - needs the optional extra `demo`

    sys.exit(run_demo(keep=keep, verbose=verbose, days=days))
