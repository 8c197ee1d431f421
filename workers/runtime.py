"""What a job works with: the configuration, read once per process, and the connection of the worker that runs it."""

import redis
from rq import get_current_job

from app.config.load import Config, load


class _Process:
    """The state of this worker process: RQ calls plain functions and hands them nothing else."""

    connection: "redis.Redis | None" = None
    config: Config | None = None


def use(connection: "redis.Redis", config: Config | None = None) -> None:
    """Set what jobs of this process work with.

    Args:
        connection: used where no RQ job runs, as in a batch.
        config: used instead of reading the configuration.
    """
    _Process.connection, _Process.config = connection, config


def forget() -> None:
    """Undo `use`."""
    _Process.connection = _Process.config = None


def runtime() -> "tuple[redis.Redis, Config]":
    """Return connection and configuration; the latter is read at the first job.

    Raises:
        app.config.ConfigError: the configuration is wrong; the job is tried again, and then is dead letter.
        RuntimeError: neither a job nor `use` tells the connection.
    """
    job = get_current_job()
    connection = job.connection if job else _Process.connection
    if connection is None:
        raise RuntimeError("call workers.runtime.use() first")
    if _Process.config is None:
        _Process.config = load()
    return connection, _Process.config
