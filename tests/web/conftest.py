"""The application with its client, and the receiver as a process."""

import logging
from collections.abc import Iterator

import pytest
import redis
import structlog
from flask.testing import FlaskClient

from app.config.load import Config
from app.web.factory import create_app
from tests.conftest import RedisServer
from tests.web import make


@pytest.fixture
def client(connection: "redis.Redis", config: Config) -> FlaskClient:
    return create_app(config, connection).test_client()


@pytest.fixture(scope="module")
def running(redis_server: RedisServer) -> Iterator[make.Receiver]:
    with make.receiver(redis_server.url) as receiver:
        yield receiver


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
    structlog.reset_defaults()
