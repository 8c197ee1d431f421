"""One version up and one back, with jobs of every kind in the queues: everything is worked off, exactly once."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from app.core.count.meter import AWB, RecordState
from app.core.schema import READABLE_FROM, VERSION
from app.simulator.api import ApiServer
from app.simulator.notifications import Outbox
from app.simulator.sinks import MailSink, SlackSink
from app.simulator.traffic import Traffic
from app.simulator.world import World
from app.store.count.records import Records
from app.store.rq import jobqueue
from app.store.schema import read_schema
from tests.conftest import SECRET, RedisServer, wait_until
from tests.exact.play import truth
from tests.notifiers.httpsink import answer, sink
from tests.pipeline.streams import DEPLOYMENT, levels, outbox
from tests.store.make import stored_totals
from tests.upgrade.previous import NoHistoryError, unpack
from tests.upgrade.versions import Version, failed, forward, left_over, post, waiting
from tests.workers.make import ROOT

#: Each half of the messages crosses a level of it.
_LIMIT = 20
_STEPS = 300


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("previous") / "tree")


@pytest.fixture
def surroundings(redis_server: RedisServer, connection: "redis.Redis", tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Coder, Slack, a mail server and a webhook, and the settings that lead to them."""
    connection.config_set("appendfsync", "no")
    world = World(11)
    with ApiServer(world) as coder, SlackSink() as slack, MailSink() as mail, sink(answer(200)) as hook:
        settings = {
            "coder_url": coder.url,
            "coder_token": coder.token,
            "slack_webhook_url": slack.url,
            "smtp_url": mail.url,
            "email_from": "awb@example.com",
            "relay": "email",
            "relay_limit": 0,
            "relay_secret": "a-secret-of-the-relays",
            "forward": forward(f"http://127.0.0.1:{hook.port}/hook"),
            "forecast_alerts": "false",
            "data_dir": tmp_path / "data",
            "limit": _LIMIT,
        }
        yield {"world": world, "slack": slack, "mail": mail, "hook": hook, "settings": settings}
    connection.config_set("appendfsync", "always")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("upgrade", [True, False], ids=["upgrade", "rollback"])
def test_the_next_version_works_off_all_that_the_other_one_left_in_the_queues(
    upgrade: bool,
    previous: Path,
    surroundings: dict[str, Any],
    connection: Any,
    redis_server: RedisServer,
    tmp_path: Path,
) -> None:
    settings, log = surroundings["settings"], tmp_path / "log"
    versions = [
        Version("previous", previous, redis_server.url, settings, log),
        Version("today", ROOT, redis_server.url, settings, log),
    ]
    first, second = versions if upgrade else versions[::-1]
    world, slack, hook = surroundings["world"], surroundings["slack"], surroundings["hook"]
    told, traffic = Outbox(world), Traffic(world)
    for _ in range(_STEPS):
        traffic.step()
    messages = told.collect()

    with first.receiver("web") as base, first.running("scheduler"):
        post(base, messages[: len(messages) // 2], SECRET)
        first.burst(jobqueue.DELIVERIES)
        # One warning fails and waits for another try; a later one waits in the queue.
        slack.fail_next(1, 500)
        first.burst(jobqueue.NOTIFICATIONS)
        most = len(messages) * 3 // 4
        post(base, messages[len(messages) // 2 : most], SECRET)
        first.burst(jobqueue.DELIVERIES)
        post(base, messages[most:], SECRET)
        with suppress(AssertionError):
            wait_until(lambda: waiting(connection) == jobqueue.FUNCTIONS)
    assert waiting(connection) == jobqueue.FUNCTIONS
    sent_before = len(slack.messages)

    with second.receiver("run"):
        wait_until(lambda: left_over(connection) == [], 300)

    assert failed(connection) == []
    assert len(slack.messages) > sent_before
    _assert_exact(connection, world)
    assert connection.zcard(f"awb:v1:{DEPLOYMENT}:deliveries") == len(messages)
    assert set(levels(connection).values()) == {1}
    assert {row["state"] for row in outbox(connection)} <= {"sent", "superseded"}
    texts = Counter(message["text"] for message in slack.messages)
    assert len(texts) == sum(row["state"] == "sent" for row in outbox(connection))
    assert set(texts.values()) == {1}
    forwarded = Counter(request.headers["x-message-id"] for request in hook.requests)
    assert forwarded == Counter({message.id: 1 for message in messages})
    mailed = Counter(mail.message["Message-ID"] for mail in surroundings["mail"].mails)
    assert set(mailed.values()) == {1}
    schema = read_schema(connection)
    assert schema
    assert (schema.version, schema.readable_from) == (VERSION, READABLE_FROM)


def _assert_exact(connection: Any, world: World) -> None:
    records, _ = Records(connection, DEPLOYMENT, AWB).page(None, 9000)
    assert {record.state for record in records} == {RecordState.PROVED}
    assert {record.build_id: record.at for record in records} == truth(world)
    totals = stored_totals(connection)
    assert sum(number for field, number in totals.items() if field.startswith("d:")) == len(truth(world))


def test_a_clone_without_the_previous_version_says_what_to_do(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(NoHistoryError, match=r"git does not have .*the previous version.*git fetch --unshallow"):
        unpack(tmp_path / "tree", repository=tmp_path)
