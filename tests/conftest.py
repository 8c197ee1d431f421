"""A real, empty Redis for every test that needs one."""

import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
from flask import Flask
from hypothesis import HealthCheck, settings
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

from app.config.load import Config, load
from workers import embedded, runtime

# Machines are shared and busy, so the duration of an example means nothing.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_xdist_auto_num_workers() -> int:
    """Return two workers for each core: half of the suite's time is spent waiting for servers and deadlines."""
    return 2 * (os.cpu_count() or 1)


_ROUTE_BUILT: dict[Any, Any] = {}
_build_route = Rule._compile_builder


def _build_route_once(self: Rule, append_unknown: bool = True) -> Any:  # noqa: FBT002 - Werkzeug's own
    """Compile the function that writes a route's URL once for all applications of the tests.

    Werkzeug takes most of an application's start for it, and the function depends on the route alone.
    """
    key = (self.rule, tuple(self._trace), repr(self.defaults), append_unknown)
    if key not in _ROUTE_BUILT:
        _ROUTE_BUILT[key] = _build_route(self, append_unknown)
    return _ROUTE_BUILT[key]


Rule._compile_builder = _build_route_once  # type: ignore[method-assign]


class _Templates(BytecodeCache):
    """Keeps compiled templates for all applications of the tests."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options = {"bytecode_cache": _Templates()}

_ROOM = 2 << 30
SECRET = "a-secret-of-the-tests"
#: Seconds that a test waits for another process or thread before it fails: many, because a busy machine is slow.
PATIENCE = 60.0
#: A data directory that not even root can create: no test finds what another one left there about another Redis.
ABSENT = "/dev/null/data"


def short_directory() -> Path:
    """Make a directory with a path short enough for a Unix socket, in memory if there is room.

    The embedded Redis waits for the disk at every write. No test cuts the power, so the result is the same.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM
    return Path(tempfile.mkdtemp(prefix="awb-", dir=memory if roomy else None))


class RedisServer:
    """A real server in its own directory, which tests may kill and restart."""

    def __init__(self, directory: Path, *more: str) -> None:
        self.directory = directory
        self.more = more
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return embedded.url(self.directory)

    def start(self) -> None:
        # find_server raises an error if there is none: a missing Redis fails the tests, it never skips them.
        command = [*embedded.command(embedded.find_server(), self.directory), *self.more]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        embedded.wait_ready(self.directory, self.process)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)


@pytest.fixture(scope="session", autouse=True)
def _loggers_are_not_cached() -> Iterator[None]:
    """Let every logger follow the configuration, so that no test has the one that an earlier test made."""
    configure = structlog.configure

    def uncached(**settings: Any) -> None:
        configure(**{**settings, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", uncached)
        yield


@pytest.fixture
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
            logger.setLevel(logging.NOTSET)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def redis_directory() -> Iterator[Path]:
    path = short_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server(redis_directory: Path) -> Iterator[RedisServer]:
    server = RedisServer(redis_directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def short_dir() -> Iterator[Path]:
    path = short_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def connection(redis_server: RedisServer) -> Iterator["redis.Redis"]:
    """A connection to an empty Redis."""
    from app.store.server.connection import connect  # noqa: PLC0415

    opened = connect(redis_server.url)
    opened.flushall()
    yield opened
    opened.close()
    # The next test may use the server without this fixture; a schema of the future, for one, would stop it.
    after = connect(redis_server.url)
    with suppress(redis.exceptions.RedisError):
        after.flushall()
    after.close()


def make_config(redis_url: str = "unix:///nowhere", **settings: Any) -> Config:
    """Return the default configuration with some settings, as environment variables would set them."""
    environ = {"AWB_WEBHOOK_SECRET": SECRET, "AWB_REDIS_URL": redis_url, "AWB_AI_TEMPLATES": "ai-template"}
    environ |= {"AWB_DATA_DIR": ABSENT}
    environ |= {f"AWB_{key.upper()}": str(value) for key, value in settings.items()}
    return load(environ=environ)


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return make_config(redis_server.url)


@pytest.fixture
def jobs_run(connection: "redis.Redis", config: Config) -> Iterator[None]:
    """Let RQ jobs in this process use this test's Redis and configuration."""
    runtime.use(connection, config)
    yield
    runtime.forget()


def wait_until(condition: Any, seconds: float = PATIENCE) -> None:
    """Poll until a condition holds that another process causes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("the condition was not met in time")
