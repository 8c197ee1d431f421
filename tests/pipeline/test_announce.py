"""Changing an alert: the state that was decided from holds, or it is decided again; state and notifications are one."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from app.config.load import Config
from app.core.alert.decision import AlertState
from app.pipeline.notify.announce import change
from app.store.alert.alerts import Change, StoredAlert
from app.store.conflicts import ROUNDS, ConflictError, retry_conflicts
from app.store.store import Store
from tests.conftest import RedisServer, make_config
from tests.core.make import bare_alert
from tests.pipeline.fragile import Fuse, Where, fragile

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
HALF, FULL = (AlertState(level, since=NOW, announced_at=NOW) for level in ("50%", "100%"))
ALERT = bare_alert(level="50%", headline="AWB 50%")


@pytest.fixture
def store(connection: "redis.Redis") -> Store:
    return Store(connection, "prod")


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    return make_config(
        redis_server.url, slack_webhook_url="http://127.0.0.1:1/x", notify_webhook_url="http://127.0.0.1:1/y"
    )


def announced(state: AlertState) -> Change:
    return Change(state, NOW, replace(ALERT, level=state.level), f"It is at {state.level}.")


def sent(store: Store) -> list[tuple[str, str]]:
    return sorted((row["receiver"], row["level"]) for row in store.outbox.history())


def test_the_state_its_event_and_a_notification_for_each_receiver_come_together(store: Store, config: Config) -> None:
    made = change(store, config, "awb", lambda _found: announced(HALF))
    assert made is not None
    assert store.alerts.state("awb") == (1, HALF)
    assert sent(store) == [("slack", "50%"), ("webhook", "50%")]
    assert [event["notifications"] for event in store.alerts.events()] == [[one.id for one in made.notifications]]
    assert store.alerts.last("awb") == made.alert


def test_given_receivers_take_the_place_of_the_routes(store: Store, config: Config) -> None:
    change(store, config, "awb", lambda _found: announced(HALF), receivers=["webhook"])
    change(store, config, "other", lambda _found: announced(FULL), receivers=[])
    assert sent(store) == [("webhook", "50%")]
    assert store.alerts.state("other")[1] == FULL


def test_who_is_overtaken_decides_again_from_the_state_that_holds_then(store: Store, config: Config) -> None:
    seen: list[AlertState] = []

    def decide(found: StoredAlert) -> Change | None:
        seen.append(found.state)
        if len(seen) == 1:
            assert store.alerts.announce("awb", found.version, Change(FULL, NOW))
            return announced(HALF)
        return None

    assert change(store, config, "awb", decide) is None
    assert seen == [AlertState(), FULL]
    assert store.alerts.state("awb") == (1, FULL)
    assert sent(store) == []
    assert store.alerts.events() == []


def test_an_alert_that_was_read_earlier_is_read_again_only_after_a_conflict(store: Store, config: Config) -> None:
    read = store.alerts.read("awb")
    store.alerts.announce("awb", 0, Change(FULL, NOW))
    seen: list[tuple[int, AlertState]] = []

    def decide(found: StoredAlert) -> Change:
        seen.append((found.version, found.state))
        return announced(HALF)

    assert change(store, config, "awb", decide, read=read) is not None
    assert seen == [(0, AlertState()), (1, FULL)]
    assert store.alerts.state("awb") == (2, HALF)


def test_nothing_to_change_writes_nothing(store: Store, config: Config) -> None:
    store.alerts.announce("awb", 0, Change(HALF, NOW))
    assert change(store, config, "awb", lambda _found: None) is None
    assert change(store, config, "awb", lambda found: Change(found.state, NOW)) is None
    assert store.alerts.state("awb") == (1, HALF)


def test_a_state_that_somebody_keeps_changing_is_left_alone_after_a_bounded_number_of_rounds(
    store: Store, config: Config
) -> None:
    rounds = 0

    def decide(found: StoredAlert) -> Change:
        nonlocal rounds
        rounds += 1
        store.alerts.announce("awb", found.version, Change(replace(FULL, limit=rounds), NOW))
        return announced(HALF)

    assert change(store, config, "awb", decide) is None
    assert rounds == ROUNDS
    assert store.alerts.state("awb") == (ROUNDS, replace(FULL, limit=ROUNDS))
    assert sent(store) == []


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_crash_at_any_command_leaves_all_of_a_change_or_none(
    connection: Any, redis_server: RedisServer, store: Store, config: Config, where: Where
) -> None:
    def work(through: "redis.Redis") -> None:
        change(Store(through, "prod"), config, "awb", lambda found: None if found.state.level else announced(HALF))

    work(connection)  # from here on the server knows the script
    connection.flushall()
    fuse = Fuse()
    work(fragile(redis_server.url, fuse))
    whole = [("slack", "50%"), ("webhook", "50%")]
    assert fuse.sent > 1
    for at in range(1, fuse.sent + 1):
        connection.flushall()
        with pytest.raises(redis.exceptions.ConnectionError):
            work(fragile(redis_server.url, Fuse(at, where)))
        level = store.alerts.state("awb")[1].level
        assert sent(store) == (whole if level else [])
        work(connection)
        assert sent(store) == whole


def test_conflicts_are_retried_alone_and_named_when_they_stay() -> None:
    rounds: list[set[str]] = []

    def attempt(waiting: Any) -> list[str]:
        rounds.append(set(waiting))
        return [name for name in waiting if name == "hot" or len(rounds) == 1]

    with pytest.raises(ConflictError) as caught:
        retry_conflicts({"hot": 1, "cold": 2}, attempt, rounds=3)
    assert rounds == [{"hot", "cold"}, {"hot", "cold"}, {"hot"}]
    assert list(caught.value.names) == ["hot"]
    retry_conflicts({}, attempt, rounds=0)
