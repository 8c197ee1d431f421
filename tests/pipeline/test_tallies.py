"""What becomes of notifications is counted by receiver, once for each of them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
import time_machine

from app.pipeline.notify.send import send
from app.simulator.sinks import SlackSink
from app.store.receive.inbox import Inbox
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.streams import DEPLOYMENT, config_for, outbox, resumes, run


@pytest.fixture
def slack() -> Iterator[SlackSink]:
    with SlackSink() as sink:
        yield sink


def counted(connection: "redis.Redis") -> dict[str, float]:
    stats = Inbox(connection, DEPLOYMENT).stats()
    return {name: value for name, value in stats.items() if name.startswith(("notification:", "notification-error:"))}


def test_a_message_is_counted_as_sent_once_and_each_failed_attempt_by_its_reason(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink, world_clock: time_machine.Traveller
) -> None:
    config = config_for(redis_server.url, slack_webhook_url=slack.url, limit=1)
    run(connection, config, resumes(1))
    [identity] = [row["id"] for row in outbox(connection)]
    slack.fail_next(2, 500)
    for _ in range(4):
        send(Store(connection, DEPLOYMENT), config, identity)
        world_clock.shift(timedelta(minutes=2))
    assert counted(connection) == {"notification-error:serverError:slack": 2, "notification:sent:slack": 1}
    assert Inbox(connection, DEPLOYMENT).stats()["notification-sent-at:slack"] > 0


def test_a_message_that_is_refused_for_good_is_counted_as_failed(
    connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink
) -> None:
    config = config_for(redis_server.url, slack_webhook_url=slack.url, limit=1)
    run(connection, config, resumes(1))
    [identity] = [row["id"] for row in outbox(connection)]
    slack.fail_next(1, 404)
    send(Store(connection, DEPLOYMENT), config, identity)
    found = counted(connection)
    assert found.pop("notification:failed:slack") == 1
    assert sum(found.values()) == 1


def test_a_dry_run_is_counted_as_such(connection: "redis.Redis", redis_server: RedisServer, slack: SlackSink) -> None:
    config = config_for(redis_server.url, slack_webhook_url=slack.url, limit=1, dry_run="true")
    run(connection, config, resumes(1))
    [identity] = [row["id"] for row in outbox(connection)]
    send(Store(connection, DEPLOYMENT), config, identity)
    assert counted(connection) == {"notification:dry-run:slack": 1}
