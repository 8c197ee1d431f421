"""`awb completion`: completion of commands and options in a shell."""

import sys
from typing import Final

import click
from click.shell_completion import get_completion_class

from app.cli.base import main

_NAME: Final = "awb"
_VARIABLE: Final = "_AWB_COMPLETE"


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  eval "$(awb completion bash)"      in ~/.bashrc
    zsh:   eval "$(awb completion zsh)"       in ~/.zshrc
    fish:  awb completion fish > ~/.config/fish/completions/awb.fish
    """  # noqa: D301 - click looks for the backspace itself
    made = get_completion_class(shell)
    if made is None:
        sys.exit(1)
    click.echo(made(main, {}, _NAME, _VARIABLE).source())
