"""Commands about the configuration."""

import json

import click

from app.cli.base import load_config, main, print_json
from app.config import masked


@main.group()
def config() -> None:
    """Check or show the configuration."""


@config.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Find every mistake in configuration and rules; exit code 78 if there is one."""
    loaded = load_config(context)
    click.echo(f"{loaded.source or 'defaults'}: ok. {loaded.rules_source}: {len(loaded.rules)} rules, ok.")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(context: click.Context, as_json: bool) -> None:
    """Show what is in force, secrets masked."""
    values = masked(load_config(context).settings)
    if as_json:
        print_json(values)
        return
    for key, value in values.items():
        click.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")
