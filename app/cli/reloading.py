"""Applying a changed configuration on SIGHUP without a restart: all of it, or nothing if any of it is invalid."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Final

import redis
import structlog

from app import logs
from app.cli.base import open_redis
from app.config.environment import PARENT_FD
from app.config.load import Config, Read
from app.config.secrettexts import secret_texts
from app.pipeline.operate.reporting import reporting
from app.store.reloads import forget_reload, note_reload
from app.store.server.connection import RECEIVER_TIMEOUT, unavailable

log = structlog.get_logger(__name__)
#: Settings read only when a part starts, in addition to all Redis settings.
_FIXED: Final = (
    "bind",
    "web_processes",
    "web_threads",
    "max_body_bytes",
    "data_dir",
    "metrics_bind",
    "log_format",
    "grace_seconds",
)


def hold_signal() -> None:
    """Block SIGHUP for all threads but the one that waits for it; call this before any thread starts.

    A part that was started on a terminal still ends with the terminal.
    """
    if PARENT_FD in os.environ or not sys.stdin.isatty():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


@contextlib.contextmanager
def kept_current(part: str, config: Config, read: Read, apply: Callable[[Config], None]) -> Iterator[None]:
    """Reload the configuration on SIGHUP and report the settings in force while the block runs.

    Args:
        part: the name of this part, such as `web` or `worker awb-deliveries`.
        config: the configuration with which the part started.
        read: reads the configuration again.
        apply: makes the part use a configuration.
    """
    connection = open_redis(config, RECEIVER_TIMEOUT)
    reloader = _Reloader(part, config, read, apply, connection)
    reloader.start()
    with reporting(connection, reloader.in_force, part):
        yield


class _Reloader:
    """Waits for SIGHUP in a separate thread, so that a job or request in progress keeps its configuration."""

    def __init__(
        self, part: str, config: Config, read: Read, apply: Callable[[Config], None], connection: "redis.Redis"
    ) -> None:
        self._part, self._config, self._read, self._apply = part, config, read, apply
        self._connection, self._in_force = connection, config

    def in_force(self) -> Config:
        """Return the configuration that this part works with now."""
        return self._in_force

    def start(self) -> None:
        # Delete what an earlier process with the same id may have stored.
        self._forget()
        atexit.register(self._forget)
        threading.Thread(target=self._wait, name="reload", daemon=True).start()

    def _wait(self) -> None:
        while True:
            signal.sigwait({signal.SIGHUP})
            problems, restart = self._reload()
            with contextlib.suppress(redis.exceptions.RedisError, OSError):
                note_reload(self._connection, self._part, problems, restart)

    def _reload(self) -> tuple[list[str], list[str]]:
        """Return what is wrong, and which settings need a restart."""
        try:
            found, problems = self._read()
            if found is not None and not problems:
                self._apply(found)
                self._in_force = found
        except Exception as error:  # noqa: BLE001 - the service goes on with the former configuration, whatever it is
            why = unavailable(error)
            found, problems = None, [f"Redis is {why}" if why else str(error) or type(error).__name__]
        if found is None or problems:
            log.error("configuration not reloaded, the previous one stays", part=self._part, problems=problems)
            return problems, []
        restart = needs_restart(self._config, found)
        settings = found.settings
        logs.configure(self._config.settings.log_format, settings.log_level, secret_texts(settings))
        log.info("configuration reloaded", part=self._part, needs_restart=restart)
        return [], restart

    def _forget(self) -> None:
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            forget_reload(self._connection, self._part)


def needs_restart(old: Config, new: Config) -> list[str]:
    """Return the changed settings that are read only when a part starts."""
    names = [name for name in type(new.settings).model_fields if name in _FIXED or name.startswith("redis_")]
    return [name for name in names if getattr(old.settings, name) != getattr(new.settings, name)]
