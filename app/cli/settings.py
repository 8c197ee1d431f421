"""Commands about the configuration."""

import json
import sys

import click

from app.cli.base import AS_JSON, checked, load_config, main, print_json
from app.config.load import EXIT_CONFIG, masked


@main.group()
def config() -> None:
    """Check or show the configuration."""


@config.command()
@AS_JSON
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Report every error in the configuration and the rules. Exit code 78 if there is one."""
    if as_json:
        _config, problems = checked(context)
        print_json({"problems": problems})
        sys.exit(EXIT_CONFIG if problems else 0)
    loaded = load_config(context)
    for notice in loaded.notices:
        click.echo(notice, err=True)
    click.echo(f"{loaded.source or 'defaults'}: ok. {loaded.rules_source}: {len(loaded.rules)} rules, ok.")


@config.command()
@AS_JSON
@click.pass_context
def show(context: click.Context, as_json: bool) -> None:
    """Show the settings in effect, with secrets masked."""
    values = masked(load_config(context).settings)
    if as_json:
        print_json(values)
        return
    for key, value in values.items():
        click.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")
