"""The group of commands: imported when they are asked for, shown by purpose, and ended in plain words."""

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, Final, NoReturn

import click
import redis

from app.store.server.connection import unavailable

EXIT_FAILED: Final = 1
#: sysexits.h: a service is not there.
EXIT_UNAVAILABLE: Final = 69
#: The signal's number and 128, as shells have it.
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141
# Long enough for whole first sentences; the formatter wraps them.
_SENTENCE: Final = 200

#: Commands and their modules, by what one wants.
SECTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "See what was counted": {
        "status": "status",
        "top": "top",
        "why": "look",
        "explain": "look",
        "forecast": "periods",
        "periods": "periods",
    },
    "Be warned": {
        "alerts": "alerts",
        "events": "events",
        "messages": "events",
        "silence": "silence",
        "notify": "notify",
    },
    "Operate": {
        "reconcile": "coder",
        "queues": "queues",
        "replay": "queues",
        "deliveries": "deliveries",
        "quarantine": "quarantine",
        "deployments": "deployments",
        "erase": "erase",
        "repair": "repair",
        "export": "export",
        "import": "importing",
    },
    "Set up and check": {
        "doctor": "health",
        "coder": "coder",
        "config": "settings",
        "webhook-url": "welcome",
        "access": "access",
        "completion": "completion",
    },
    "Run": {"run": "service", "web": "service", "worker": "service", "scheduler": "service", "demo": "service"},
}


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name. A module is imported when its command is asked for, and puts the command in its place here."""

    def __init__(self) -> None:
        self._modules = {name: module for section in SECTIONS.values() for name, module in section.items()}
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            import_module(f"app.cli.{self._modules[name]}")
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._modules, **self._loaded})

    def __len__(self) -> int:
        return len({**self._modules, **self._loaded})


class Commands(click.Group):
    """`awb`: whatever a user can cause ends in a sentence and a code, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)
            fail("interrupted", EXIT_INTERRUPTED)
        except BrokenPipeError:
            leave_broken_pipe()
        except redis.exceptions.RedisError as error:
            fail(f"Redis is {unavailable(error)}", EXIT_UNAVAILABLE)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in SECTIONS.items():
            with formatter.section(title):
                listed = [(name, self.get_command(ctx, name)) for name in section]
                formatter.write_dl(
                    [(name, command.get_short_help_str(_SENTENCE)) for name, command in listed if command]
                )


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """End the command with one line that says why."""
    click.echo(f"awb: {message}", err=True)
    sys.exit(code)


def leave_broken_pipe() -> None:
    """End in silence, as programs do whose reader went away."""
    # Python flushes standard output once more at its end, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(EXIT_BROKEN_PIPE)
