"""A person who is erased is in nothing that is kept; the builds stay counted."""

from typing import Any

import pytest
import redis
import time_machine

from app.core.count.meter import AWB
from app.pipeline.operate.erase import erase
from app.store import keys
from app.store.count import ledger
from tests.cli.conftest import call
from tests.conftest import SECRET, RedisServer
from tests.notifiers.httpsink import answer, sink
from tests.relay.world import RELAY_SECRET, World, to, with_forwards
from tests.web.make import count_all, everything, notification

TARGET = "forward:sink"


def owned(message_id: str, number: int, user: str) -> bytes:
    return notification(
        message_id, number, user_username=user, user_email=f"{user}@example.com", user_name=user.title()
    )


@pytest.fixture
def world(redis_server: RedisServer, connection: "redis.Redis", clock: time_machine.Traveller) -> World:
    """Two users with builds; what was to be passed on waits."""
    with sink(answer(500)) as there:
        made = World(connection, with_forwards(redis_server.url, to(there.port)), clock)
        for number in range(3):
            made.post(owned(f"a-{number}", number, "adalovelace"))
        made.post(owned("b-0", 9, "bob"))
        count_all(connection, made.config)
        made.work()
    return made


def used(world: World) -> int:
    return int(world.client.get("/api/v1/usage").get_json()["used"])


def tops(world: World) -> dict[str, int]:
    found = world.client.get("/api/v1/usage").get_json()
    return {row["name"]: row["used"] for row in found["by_user"]}


def test_the_name_goes_and_the_count_stays(world: World, connection: "redis.Redis") -> None:
    assert b"adalovelace" in everything(connection)
    before, people = used(world), tops(world)
    done = erase(world.store, world.config, "AdaLovelace", "admin")
    assert (done.records, done.messages, done.conversations) == (3, 3, 0)
    assert done.deliveries == 3
    assert b"adalovelace" not in everything(connection).lower()
    assert used(world) == before == 4
    assert tops(world) == {done.instead: people["adalovelace"], "bob": 1}
    assert world.originals() == ["b-0"]
    assert world.state("a-0", TARGET)["reason"] == "The person was erased."
    records = world.client.get(f"/api/v1/records?user={done.instead}").get_json()["records"]
    assert len(records) == 3


def test_what_comes_later_about_the_same_workspace_brings_no_name_back(world: World, connection: "redis.Redis") -> None:
    done = erase(world.store, world.config, "adalovelace", "admin")
    world.post(owned("a-9", 0, "adalovelace"))
    count_all(connection, world.config)
    assert "adalovelace" not in tops(world)
    assert tops(world)[done.instead] == 4


def test_a_workspace_that_had_two_names_is_counted_once(
    world: World, connection: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    # Among many workspaces, the two places of one are not scanned together.
    monkeypatch.setattr(ledger, "_SCANNED", 1)
    every = {f"former\n{workspace_id}": 0 for workspace_id in world.store.ledger(AWB).workspaces()}
    connection.zadd(keys.named(world.store.deployment, AWB), every)
    assert erase(world.store, world.config, "adalovelace", "admin").records == 3


def test_somebody_may_be_erased_by_address(world: World) -> None:
    assert erase(world.store, world.config, "adalovelace@example.com", "admin").messages == 3


def test_nobody_else_is_touched_and_doing_it_again_finds_nothing(world: World) -> None:
    assert erase(world.store, world.config, "ada", "admin").records == 0
    erase(world.store, world.config, "adalovelace", "admin")
    again = erase(world.store, world.config, "adalovelace", "admin")
    assert (again.records, again.deliveries, again.messages) == (0, 0, 0)
    assert tops(world)["bob"] == 1


def test_the_command_says_what_it_removed(world: World, redis_server: RedisServer) -> None:
    environ: dict[str, Any] = {
        "AWB_REDIS_URL": redis_server.url, "AWB_DEPLOYMENT": "prod", "AWB_WEBHOOK_SECRET": SECRET,
    }  # fmt: skip
    relay = {"AWB_RELAY_SECRET": RELAY_SECRET, "AWB_FORWARD": '[{"name": "sink", "url": "http://127.0.0.1:1/"}]'}
    assert call("erase", "adalovelace", stdin=b"n\n", **environ, **relay).exit_code == 1
    said = call("erase", "adalovelace", "--yes", **environ, **relay)
    assert said.exit_code == 0, said.output
    for text in ("3 records stay counted, under the name erased-", "3 stored deliveries", "3 messages"):
        assert text in said.stdout
    entries = world.client.get("/api/v1/audit").get_json()["audit"]
    assert any(entry["action"] == "erase user" and "adalovelace" not in entry["detail"] for entry in entries)
