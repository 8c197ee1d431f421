"""`awb reload`: applies a changed configuration to the running meter."""

import os
import signal
import sys
import time
import tomllib
from pathlib import Path
from typing import Final

import click

from app.cli.base import EXIT_UNAVAILABLE, fail, load_config, main, out
from app.config import datadir
from app.config.environment import value_of
from app.config.load import EXIT_CONFIG, ConfigError, load
from app.config.settings import DEFAULT_DATA_DIR

_PATIENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


@main.command()
@click.pass_context
def reload(context: click.Context) -> None:
    """Apply a changed configuration file to the running meter. Work in progress continues.

    Exit code 78: the new configuration is invalid, and the previous one stays in use. Environment variables keep the
    values that the meter was started with.
    """
    from workers.reload import answer_of, holder, is_outdated_copy, takes_signal  # noqa: PLC0415 - not needed by other commands

    data_dir = _data_dir(context.obj)
    pid = holder(data_dir)
    if pid is None:
        load_config(context)
        fail(f"no `awb run` uses {data_dir}; for a single part, use `kill -HUP`", EXIT_UNAVAILABLE)
    if not takes_signal(pid):
        fail("the running version cannot reload; restart it")
    if is_outdated_copy(pid):
        load_config(context)
        restart = "apply the changes with: systemctl restart awb-meter"
        fail(f"the service uses a copy of the settings, which systemd made at its start; {restart}", EXIT_UNAVAILABLE)
    before, deadline = answer_of(data_dir), time.monotonic() + _PATIENCE_SECONDS
    os.kill(pid, signal.SIGHUP)
    answer = before
    while answer == before or answer is None:
        if time.monotonic() > deadline:
            fail(f"the meter did not answer within {_PATIENCE_SECONDS:.0f} s; see its log")
        time.sleep(_POLL_SECONDS)
        answer = answer_of(data_dir)
    for problem in answer["problems"]:
        click.echo(f"configuration: {problem}", err=True)
    if answer["problems"]:
        click.echo("awb: the previous configuration stays in use", err=True)
        sys.exit(EXIT_CONFIG)
    if answer["silent"]:
        fail(f"these parts did not apply the configuration in time: {', '.join(answer['silent'])}; restart the meter")
    out.print("The new configuration is in use.")
    if answer["restart"]:
        out.print(f"These settings need a restart: {', '.join(answer['restart'])}.")


def _data_dir(path: Path | None) -> Path:
    """Return the meter's data directory, even if its configuration is now invalid."""
    try:
        found = load(path).settings.data_dir
    except ConfigError:
        found = Path(value_of(os.environ, "AWB_DATA_DIR") or _of_file(path) or DEFAULT_DATA_DIR)
    return datadir.of_instance(found, os.environ) if found == Path(DEFAULT_DATA_DIR) else found


def _of_file(path: Path | None) -> str:
    named = path or Path(value_of(os.environ, "AWB_CONFIG") or "config/awb-meter.toml")
    try:
        return str(tomllib.loads(named.read_text(encoding="utf-8-sig")).get("data_dir", ""))
    except (OSError, ValueError):
        return ""
