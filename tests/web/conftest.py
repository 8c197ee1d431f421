"""The application with its client, and the receiver as a process."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app.config.load import Config
from app.store.server import watched
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
def waits(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """Return a list that gets the error whenever a connection has waited for Redis in vain."""
    found: list[BaseException | None] = []

    def noted(noticed: Callable[[Any], None]) -> Callable[[Any], None]:
        def note(owner: Any) -> None:
            # Several layers may notice the same error.
            if sys.exception() not in found:
                found.append(sys.exception())
            noticed(owner)

        return note

    monkeypatch.setattr(watched._Watched, "_fell_silent", noted(watched._Watched._fell_silent))
    monkeypatch.setattr(watched.Silence, "begin", noted(watched.Silence.begin))
    return found
