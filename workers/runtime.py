"""The context of jobs: the configuration, read once per process, and the connection of the worker that runs them."""

import redis
from rq import get_current_job

from app.config.load import Config, load
from app.store.rqprefix import check


class _Process:
    """The state of this worker process, because RQ calls plain functions without any context."""

    connection: "redis.Redis | None" = None
    config: Config | None = None


def use(connection: "redis.Redis", config: Config | None = None) -> None:
    """Set the context for jobs in this process.

    Args:
        connection: used outside RQ jobs, as in a batch.
        config: used instead of reading the configuration.
    """
    _Process.connection, _Process.config = connection, config


def forget() -> None:
    """Undo `use`."""
    _Process.connection = _Process.config = None


def runtime() -> "tuple[redis.Redis, Config]":
    """Return the connection and the configuration, which is read at the first job.

    Raises:
        app.config.load.ConfigError: the configuration is invalid; the job is retried, and finally fails.
        app.store.rqprefix.WrongPrefixError: likewise, if this worker uses other keys than the configuration asks for.
        RuntimeError: there is no current job, and `use` was not called.
    """
    job = get_current_job()
    connection = job.connection if job else _Process.connection
    if connection is None:
        raise RuntimeError("call workers.runtime.use() first")
    if _Process.config is None:
        config = load()
        # A stock worker imported RQ itself.
        check(config.settings.redis_prefix)
        _Process.config = config
    return connection, _Process.config
