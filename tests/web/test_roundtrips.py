"""How often pages wait for Redis, whatever is stored: with Redis a millisecond away, each round trip is one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient
from redis.connection import AbstractConnection

from app import clock
from app.store.coder.state import CoderState
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue
from tests.browser import world
from tests.conftest import RedisServer, make_config

NOW = datetime(2026, 5, 13, 10, 0, tzinfo=UTC)
#: Round trips of a page for a deployment with Coder's API and two receivers.
MOST = {
    "/": 25,
    "/wall": 20,
    "/readyz": 3,
    "/readyz?verbose": 10,
    "/records": 20,
    "/alerts": 20,
    "/periods": 20,
    "/queues": 20,
    "/users": 20,
    "/relays": 20,
    "/metrics": 20,
}


@pytest.fixture
def asked(connection: "redis.Redis", redis_server: RedisServer, time_machine: Any) -> FlaskClient:
    time_machine.move_to(NOW, tick=False)
    config = make_config(
        redis_server.url,
        coder_url="https://coder.example",
        coder_token="a-token",
        slack_webhook_url="https://hooks.slack.example/a",
        smtp_url="smtp://mail.example",
        email_from="a@x.example",
        email_to="b@x.example",
    )
    return world.application(config, connection).test_client()


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch, asked: FlaskClient) -> Callable[[str], int]:
    sent: list[Any] = []
    send = AbstractConnection.send_packed_command

    def counted(self: Any, command: Any, check_health: bool = True) -> None:  # noqa: FBT002 - redis-py's own
        sent.append(command)
        send(self, command, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)

    def count(path: str) -> int:
        asked.get(path)
        sent.clear()
        answer = asked.get(path)
        assert answer.status_code == 200, answer.text
        return len(sent)

    return count


@pytest.fixture
def fill(connection: "redis.Redis") -> Callable[[int], None]:
    def put(many: int) -> None:
        records = [
            world.build(many * 1000 + n, NOW - timedelta(days=n % 3 + 1), owner=f"user-{n}") for n in range(many)
        ]
        world.put(connection, records)
        world.deliver(connection, records)
        for queue in jobqueue.QUEUES:
            connection.rpush(jobqueue.queue_key(queue), *(f"job-{n}" for n in range(many)))
            for n in range(many):
                connection.sadd(f"rq:workers:{queue}", f"rq:worker:{n}")
        state = CoderState(connection, world.DEPLOYMENT)
        state.note(reconciled_at=clock.now().timestamp())
        for n in range(many):
            Inbox(connection, world.DEPLOYMENT).quarantine(f"q{n}", NOW.timestamp(), "not valid JSON", b"{", keep=True)

    return put


@pytest.mark.parametrize("path", MOST)
def test_the_round_trips_of_a_page_are_few_and_do_not_grow_with_what_is_stored(
    path: str, fill: Callable[[int], None], round_trips: Callable[[str], int]
) -> None:
    fill(2)
    few = round_trips(path)
    fill(60)
    assert round_trips(path) == few
    assert few <= MOST[path]


def test_a_page_shows_what_changed_a_moment_ago(
    connection: "redis.Redis", asked: FlaskClient, fill: Callable[[int], None]
) -> None:
    fill(1)
    assert "3 quarantined" not in asked.get("/").text
    fill(2)
    assert "3 quarantined" in asked.get("/").text
