"""The command `awb`, called in this process with its own environment."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from app.cli import main
from app.cli.program import program
from tests.conftest import SECRET, RedisServer

Awb = Callable[..., Result]


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    """Undo what `logs.configure` does to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("rq"):
            logger = logging.getLogger(name)
            logger.handlers[:], logger.propagate = [], True
    structlog.reset_defaults()


def call(*words: str, stdin: bytes | None = None, **environ: str) -> Result:
    unset = {name: None for name in os.environ if name.startswith("AWB_")}
    # If the shell finds `awb`, texts refer to it by its name.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    program.cache_clear()
    return CliRunner().invoke(main, words, input=stdin, env={**unset, "COLUMNS": "200", "PATH": path, **environ})


def rows_of(result: Result) -> list[str]:
    """Return the lines as displayed."""
    return [line.rstrip() for line in result.stdout.splitlines()]


@pytest.fixture
def awb(redis_server: RedisServer, tmp_path: Path, connection: object) -> Awb:
    """Call a command with this test's Redis, a secret and a data directory."""

    def run(*words: str, stdin: bytes | None = None, **environ: str) -> Result:
        known = {
            "AWB_REDIS_URL": redis_server.url,
            "AWB_WEBHOOK_SECRET": SECRET,
            "AWB_DATA_DIR": str(tmp_path / "data"),
        }
        return call(*words, stdin=stdin, **{**known, **environ})

    return run
