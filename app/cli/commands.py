"""The group of commands: imported on demand, listed by purpose, and ended with clear messages."""

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, Final, NoReturn

import click
import redis

EXIT_FAILED: Final = 1
#: A required service is unavailable (EX_UNAVAILABLE of sysexits.h).
EXIT_UNAVAILABLE: Final = 69
#: 128 plus the signal's number, as in shells.
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141
#: The commands by purpose, each with its module and a short description.
SECTIONS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "See what was counted": {
        "status": ("status", "Usage, limit, forecast, alerts, and what does not work"),
        "top": ("top", "Top users, templates or organizations"),
        "records": ("recordlist", "Counted builds, of one user for example"),
        "why": ("look", "Why something counted: a build, a workspace or a user"),
        "explain": ("look", "Whether a notification in a file would count"),
        "forecast": ("periods", "When you will reach the limit"),
        "periods": ("periods", "Past usage periods"),
    },
    "Alerts and messages": {
        "alerts": ("alerts", "Show alerts; acknowledge one"),
        "events": ("events", "What happened to alerts"),
        "messages": ("events", "Every message: receiver, state, error"),
        "silence": ("silence", "Mute messages for a time"),
        "notify": ("notify", "Test receivers, preview messages"),
    },
    "Operate": {
        "reconcile": ("coder", "Reconcile with Coder's API now"),
        "queues": ("queues", "Queues, workers, failed jobs"),
        "replay": ("queues", "Classify unrecognized deliveries again"),
        "deliveries": ("deliveries", "Relayed and forwarded messages"),
        "quarantine": ("quarantine", "Bodies that are not valid notifications"),
        "deployments": ("deployments", "List or remove deployments"),
        "erase": ("erase", "Erase a person's data"),
        "backup": ("backup", "Write everything to one file"),
        "restore": ("backup", "Restore a backup"),
        "rebuild": ("rebuild", "Count again from Coder's API after a loss"),
        "repair": ("repair", "Repair the embedded Redis file"),
        "export": ("export", "Write all records"),
        "import": ("importing", "Import records from a file"),
    },
    "Set up and check": {
        "doctor": ("health", "Check everything; list remaining setup steps"),
        "coder": ("coder", "Check and set up Coder through its API"),
        "config": ("settings", "Check or show the configuration"),
        "webhook-url": ("welcome", "The lines that connect Coder, with the secret"),
        "access": ("access", "Create passwords and tokens"),
        "systemd-units": ("systemdunits", "Install the systemd units"),
        "completion": ("completion", "Completion for your shell"),
    },
    "Run": {
        "run": ("service", "Run everything"),
        "web": ("service", "Run only the receiver"),
        "worker": ("service", "Run the workers, or those of some queues"),
        "scheduler": ("service", "Run the scheduler"),
        "reload": ("reload", "Apply the changed configuration"),
        "healthcheck": ("healthcheck", "Check a part, for container engines"),
        "demo": ("demo", "Simulate three months of Coder"),
    },
}


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name. A module is imported when its command is used, and then replaces its entry here."""

    def __init__(self) -> None:
        self._modules = {name: module for section in SECTIONS.values() for name, (module, _) in section.items()}
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
    """`awb`: every error that a user can cause ends with a sentence and an exit code, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)
            fail("interrupted", EXIT_INTERRUPTED)
        except BrokenPipeError:
            leave_broken_pipe()
        except redis.exceptions.RedisError as error:
            from app.cli.meter import absent  # noqa: PLC0415 - it imports this module

            fail(absent(ctx.obj, error), EXIT_UNAVAILABLE)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(_brief(ctx))
            ctx.exit()
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx  # nothing is imported for it
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, words) for name, (_, words) in section.items()])


def _brief(ctx: click.Context) -> str:
    """Return a help text for one screen: the names of all commands, and how to start."""
    formatter = ctx.make_formatter()
    formatter.write_text("Count Coder's Agent Workspace Builds and warn before the limit.")
    for title, section in SECTIONS.items():
        with formatter.section(title):
            formatter.write_text(", ".join(section))
    formatter.write_paragraph()
    formatter.write_text(f"Begin with `{ctx.info_name} run` or, to look around, `{ctx.info_name} demo`.")
    formatter.write_text(f"`{ctx.info_name} --help` describes all commands, `{ctx.info_name} COMMAND --help` one.")
    return formatter.getvalue().rstrip()


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """End the command with one line that says why."""
    click.echo(f"awb: {message}", err=True)
    sys.exit(code)


def leave_broken_pipe() -> None:
    """End without output, as usual for a program whose reader has gone."""
    # Python flushes standard output again at exit, which would raise.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(EXIT_BROKEN_PIPE)
