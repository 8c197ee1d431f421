"""The group of commands. Nothing of Redis or RQ may be imported before it has read the prefix of their keys."""

import sys
from pathlib import Path
from typing import Final, TextIO

import click

from app.cli.commands import Commands, LazyCommands, fail
from app.cli.terminal import clean_streams
from app.cli.version import print_version
from app.config.load import EXIT_CONFIG, redis_prefix
from app.store.rqprefix import WrongPrefixError, import_rq

#: Of the context's `meta`: the configuration that a part was given when `awb run` forked it.
GIVEN: Final = "app.config"


def _with_prefix(context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    # Commands, and with them RQ, are imported after the options of the group have been read.
    if not context.resilient_parsing:
        try:
            import_rq(redis_prefix(path))
        except WrongPrefixError as error:
            fail(f"configuration: {error}", EXIT_CONFIG)
    return path


@click.group(cls=Commands, commands=LazyCommands(), context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Show the version."
)
@click.option(
    "--config", "path", type=click.Path(path_type=Path), help="Configuration file (AWB_CONFIG).", callback=_with_prefix
)
@click.pass_context
def main(context: click.Context, path: Path | None) -> None:
    """Count Coder's Agent Workspace Builds and warn before the limit.

    \b
    Exit codes:
      0    success
      1    a check failed, or nothing matched
      2    wrong usage
      69   Redis is unavailable
      78   the configuration is wrong
      130  interrupted by Ctrl-C
    """  # noqa: D301 - click looks for the backspace itself
    for stream in (sys.stdout, sys.stderr):
        # If the terminal's encoding lacks a character, a replacement is printed instead of a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    before = sys.stdout, sys.stderr
    clean_streams()
    context.call_on_close(lambda: _restore(*before))
    # Given to a part that `awb run` forked.
    context.meta[GIVEN], context.obj = context.obj, path


def _restore(stdout: TextIO, stderr: TextIO) -> None:
    sys.stdout, sys.stderr = stdout, stderr
