"""The meter that a command uses: where its data is, and the message if none is running."""

import contextlib
import os
from pathlib import Path

from app.cli.commands import EXIT_UNAVAILABLE, fail
from app.cli.program import runnable
from app.config import datadir
from app.config.load import Config, ConfigError, load
from app.config.settings import DEFAULT_DATA_DIR, Settings
from app.store.server.connection import unavailable


def settled(settings: Settings, *, starts: bool = False) -> Settings:
    """Return settings with the data directory of the meter that this is about, where none is configured.

    Args:
        settings: as they were read.
        starts: the command starts a meter; others look for one that was started anywhere.
    """
    if settings.data_dir != Path(DEFAULT_DATA_DIR):
        return settings
    choose = datadir.of_new if starts else datadir.of_instance
    return settings.model_copy(update={"data_dir": choose(settings.data_dir, os.environ)})


def find_meter(config: Config) -> None:
    """End with 69 if no meter is running: no Redis is configured, and the data directory has none."""
    from workers import embedded  # noqa: PLC0415 - not needed with a Redis of one's own

    if config.settings.redis_url is None and not embedded.runs(config.settings.data_dir):
        fail(runnable(no_meter(config.settings)), EXIT_UNAVAILABLE)


def absent(path: Path | None, error: Exception) -> str:
    """Return why Redis cannot be used; for the embedded one, that means that no meter is running."""
    with contextlib.suppress(ConfigError):
        settings = load(path).settings
        if settings.redis_url is None and unavailable(error) == "unreachable":
            return runnable(no_meter(settled(settings)))
    return f"Redis is {unavailable(error)}"


def no_meter(settings: Settings) -> str:
    closed = datadir.closed_instance()
    if closed:
        return f"systemd runs a meter in {closed}, which only root can read; repeat the command with sudo"
    return (
        f"No meter is running in {settings.data_dir.resolve()}; start it with: awb run "
        "(or set AWB_DATA_DIR to the directory of a running one)"
    )
