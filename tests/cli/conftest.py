"""The command `awb`, called in this process with its own environment."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.cli.program import program
from tests.conftest import SECRET, RedisServer

Awb = Callable[..., Result]


@pytest.fixture(autouse=True)
def _restored(logging_restored: None) -> None:
    """No command leaves its logging to the next test."""


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
