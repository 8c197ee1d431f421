"""A Redis that was emptied or restored from an older state is recognized: one notice, and nothing announced twice."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine

from app.config.load import Config
from app.config.recollection import recall
from app.core.count.meter import AWB
from app.pipeline.operate.acknowledge import acknowledge
from app.pipeline.watch.losses import NAME, is_held
from app.pipeline.watch.notices import give_notice
from app.pipeline.watch.sweep import sweep
from app.store import keys
from app.store.receive.deployments import Deployments
from app.store.server.lineage import read_lineage
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.streams import DEPLOYMENT, config_for, outbox, resumes, run, to_slack_and_mail


@pytest.fixture
def machine(redis_server: RedisServer, tmp_path: Path) -> Callable[..., Config]:
    """Return a configuration with a data directory of its own, as on another machine."""

    def built(name: str = "a", **more: Any) -> Config:
        (tmp_path / name).mkdir(exist_ok=True)
        settings = to_slack_and_mail("http://127.0.0.1:1/services/T/B/x", email_to="", smtp_url="", email_from="")
        return config_for(redis_server.url, **{**settings, "data_dir": tmp_path / name, **more})

    return built


def dump(connection: Any) -> dict[bytes, bytes]:
    return {key: connection.dump(key) for key in connection.scan_iter(count=1000)}


def put(connection: Any, content: dict[bytes, bytes]) -> None:
    """Let Redis start from an older file."""
    connection.flushall()
    for key, value in content.items():
        connection.restore(key, 0, value)


def said(connection: "redis.Redis") -> Counter[tuple[str, str]]:
    return Counter((row["alert"], row["level"]) for row in outbox(connection))


def posted(connection: "redis.Redis", config: Config, number: int) -> None:
    """Count so many builds, as after their deliveries."""
    Deployments(connection).admit(DEPLOYMENT, -1)
    run(connection, config, resumes(number))


def counted(connection: "redis.Redis", config: Config, number: int) -> None:
    """Count builds, and sweep."""
    posted(connection, config, number)
    sweep(connection, config)


def lose(connection: "redis.Redis", config: Config, before: int, after: int) -> None:
    """Count builds, empty Redis, and count some of them again."""
    counted(connection, config, before)
    connection.flushall()
    posted(connection, config, after)


def test_a_first_installation_raises_no_alarm_and_holds_nothing(
    connection: "redis.Redis", machine: Callable[..., Config]
) -> None:
    config = machine()
    counted(connection, config, 16)
    sweep(connection, config)
    assert said(connection) == {("awb", "75%"): 1}
    seen = recall(config.settings.data_dir)
    assert seen
    assert (seen.sweeps, seen.deployments[DEPLOYMENT].records) == (2, 16)
    assert [path.name for path in config.settings.data_dir.iterdir()] == ["redis-last-seen.json"]


def test_an_emptied_redis_announces_a_notice_and_no_threshold_that_was_announced_before(
    connection: "redis.Redis", machine: Callable[..., Config]
) -> None:
    config = machine()
    counted(connection, config, 18)
    assert said(connection) == {("awb", "90%"): 1}
    connection.flushall()
    # Before any sweep, the delivery worker and the passes hold everything back.
    posted(connection, config, 16)
    assert give_notice(Store(connection, DEPLOYMENT), config) == []
    assert said(connection) == {}
    sweep(connection, config)
    sweep(connection, config)
    assert said(connection) == {(NAME, ""): 1}
    assert is_held(Store(connection, DEPLOYMENT), config)
    [notice] = outbox(connection)
    assert notice["headline"] == "The meter's Redis has lost builds"
    # Once the count is back, the notice ends, and only what is new is announced.
    counted(connection, config, 18)
    assert said(connection) == {(NAME, ""): 1}
    assert not is_held(Store(connection, DEPLOYMENT), config)
    assert not Store(connection, DEPLOYMENT).alerts.state(NAME)[1].level
    counted(connection, config, 20)
    assert said(connection) == {(NAME, ""): 1, ("awb", "100%"): 1}


def test_a_level_that_was_lost_is_not_resolved_by_the_small_count(
    connection: "redis.Redis", machine: Callable[..., Config]
) -> None:
    config = machine()
    with time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC)) as clock:
        lose(connection, config, 18, 2)
        for _ in range(4):
            clock.shift(timedelta(hours=13))
            sweep(connection, config)
    assert said(connection) == {(NAME, ""): 1}


def test_a_redis_restored_from_an_older_file_is_recognized(
    connection: "redis.Redis", machine: Callable[..., Config]
) -> None:
    config = machine()
    counted(connection, config, 3)
    older = dump(connection)
    counted(connection, config, 18)
    put(connection, older)
    posted(connection, config, 17)
    assert said(connection) == {}
    sweep(connection, config)
    assert said(connection) == {(NAME, ""): 1}
    counted(connection, config, 18)
    sweep(connection, config)
    assert said(connection) == {(NAME, ""): 1}


def test_a_pass_over_coders_api_ends_the_loss_whatever_it_found(
    connection: "redis.Redis", machine: Callable[..., Config]
) -> None:
    config = machine()
    lose(connection, config, 18, 17)
    sweep(connection, config)
    Store(connection, DEPLOYMENT).coder.note(reconciled_at=(datetime.now(UTC) + timedelta(minutes=1)).timestamp())
    sweep(connection, config)
    assert said(connection) == {(NAME, ""): 1}
    assert not is_held(Store(connection, DEPLOYMENT), config)
    assert Store(connection, DEPLOYMENT).alerts.state(AWB)[1].level == "90%"


def test_whoever_acknowledges_the_notice_starts_from_the_present_count(
    connection: "redis.Redis", machine: Callable[..., Config]
) -> None:
    config = machine()
    lose(connection, config, 18, 2)
    sweep(connection, config)
    assert acknowledge(Store(connection, DEPLOYMENT), config, NAME, "notice", "ada")
    sweep(connection, config)
    assert not is_held(Store(connection, DEPLOYMENT), config)
    counted(connection, config, 16)
    assert said(connection)[AWB, "75%"] == 1


def test_of_several_machines_one_recognizes_it_and_the_others_add_only_what_they_know_better(
    connection: "redis.Redis", machine: Callable[..., Config]
) -> None:
    stale, fresh = machine("stale"), machine("fresh")
    counted(connection, stale, 16)
    counted(connection, fresh, 18)
    connection.flushall()
    posted(connection, stale, 17)
    posted(connection, fresh, 17)
    sweep(connection, stale)
    sweep(connection, fresh)
    sweep(connection, stale)
    sweep(connection, fresh)
    assert said(connection) == {(NAME, ""): 1}
    counted(connection, stale, 18)
    sweep(connection, fresh)
    sweep(connection, stale)
    assert said(connection) == {(NAME, ""): 1}
    assert not is_held(Store(connection, DEPLOYMENT), stale)
    assert not is_held(Store(connection, DEPLOYMENT), fresh)


def test_a_machine_that_was_off_for_long_raises_no_alarm(
    connection: "redis.Redis", machine: Callable[..., Config]
) -> None:
    one, other = machine("one"), machine("other")
    counted(connection, one, 16)
    for _ in range(5):
        sweep(connection, other)
    posted(connection, other, 18)
    sweep(connection, one)
    assert said(connection) == {("awb", "75%"): 1, ("awb", "90%"): 1}


def test_a_fail_over_that_lost_nothing_but_a_sweep_raises_no_alarm(
    connection: Any, machine: Callable[..., Config]
) -> None:
    config = machine()
    counted(connection, config, 16)
    sweep(connection, config)
    connection.hset(keys.LINEAGE, "sweeps", 1)
    assert is_held(Store(connection, DEPLOYMENT), config)
    sweep(connection, config)
    assert not is_held(Store(connection, DEPLOYMENT), config)
    assert said(connection) == {("awb", "75%"): 1}


def test_without_a_data_directory_nothing_is_kept_and_nothing_is_made(
    connection: "redis.Redis", redis_server: RedisServer, tmp_path: Path
) -> None:
    config = config_for(redis_server.url, data_dir=tmp_path / "none")
    sweep(connection, config)
    assert read_lineage(connection).sweeps == 1
    assert list(tmp_path.iterdir()) == []
    connection.flushall()
    counted(connection, config, 16)
    assert not is_held(Store(connection, DEPLOYMENT), config)


def test_a_note_that_cannot_be_read_counts_as_none(connection: "redis.Redis", machine: Callable[..., Config]) -> None:
    config = machine()
    (config.settings.data_dir / "redis-last-seen.json").write_text('{"at": "yesterday"}', encoding="utf-8")
    counted(connection, config, 16)
    assert said(connection) == {("awb", "75%"): 1}
