"""What an answer costs does not grow with what was counted."""

from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app import clock
from app.core.count.meter import AWB
from app.store.count.ledger import Ledger
from app.web.factory import create_app
from tests.conftest import RedisServer
from tests.store.make import put, record
from tests.web import apiworld
from tests.web.apiworld import get

PATHS: dict[str, dict[str, Any]] = {
    "/usage": {},
    "/periods": {},
    "/forecast": {},
    "/records": {"limit": 5},
    "/alerts": {},
    "/events": {},
    "/silences": {},
    "/notifications": {},
    "/deliveries": {},
    "/queues": {},
    "/reconcile": {},
    "/coder": {},
    "/receivers": {},
    "/audit": {},
}
#: Every answer takes at most so many commands.
MOST = 70


def add(connection: "redis.Redis", numbers: range) -> None:
    """Add builds of one day by ten users."""
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    builds = [
        record(f"build:{n}", workspace_id=f"w{numbers.start}", owner=f"user{n % 10}", at=today - 43_200 + n)
        for n in numbers
    ]
    put(Ledger(connection, "default", AWB), f"w{numbers.start}", builds)


def commands(connection: Any, client: FlaskClient, path: str, query: dict[str, Any]) -> int:
    before = connection.info("stats")["total_commands_processed"]
    get(client, path, **query)
    return int(connection.info("stats")["total_commands_processed"]) - before - 1


@pytest.fixture
def client(connection: "redis.Redis", redis_server: RedisServer) -> FlaskClient:
    client = create_app(apiworld.settings(redis_server.url), connection).test_client()
    add(connection, range(20))
    for path, query in PATHS.items():
        get(client, path, **query)  # Redis learns the scripts
    return client


def test_a_hundred_times_more_builds_cost_no_command_more(connection: "redis.Redis", client: FlaskClient) -> None:
    few = {path: commands(connection, client, path, query) for path, query in PATHS.items()}
    add(connection, range(20, 2000))
    many = {path: commands(connection, client, path, query) for path, query in PATHS.items()}
    assert many == few
    assert {path: number for path, number in few.items() if number > MOST} == {}
