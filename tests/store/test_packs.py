"""Older deliveries are packed: a tenth of the memory, and found as before."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis
import time_machine

from app.pipeline.operate.erase import erase
from app.pipeline.operate.replay import Replayed, not_understood, replay, replay_unknown
from app.pipeline.watch.sweep import sweep
from app.store import keys
from app.store.history import deliveries
from app.store.receive.inbox import Inbox, Remembered
from app.store.receive.packs import SIZE, Packs
from app.store.rq import readyjob
from app.store.store import Store
from tests.conftest import make_config
from tests.store.make import DEPLOYMENT, expires_at

START = 1_772_000_000.0
_DAY = 86_400


def summary(number: int, outcome: str = "ignored", **more: Any) -> dict[str, Any]:
    return {
        "message_id": f"{number:08}-0000-4000-8000-{number * 7919 % 10**12:012}",
        "received_at": START + number,
        "template": "Workspace Autostart Failed",
        "verdict": {"outcome": outcome, "rule": "ignored", "reason": "It starts nothing: “ü” \ud800", "hint": ""},
        "workspace_id": "w1",
        "workspace": "write-tests",
        "owner": "ada",
        **more,
    }


def remember(connection: "redis.Redis", rows: Sequence[dict[str, Any]]) -> None:
    inbox = Inbox(connection, DEPLOYMENT)
    for row in rows:
        job = readyjob.delivery_job(DEPLOYMENT, row["message_id"], row["received_at"], {})
        inbox.accept(job, row["message_id"], row["received_at"])
    with connection.pipeline(transaction=False) as pipe:
        inbox.remember(pipe, [Remembered(row["message_id"], row["received_at"], row) for row in rows], 400 * _DAY)
        pipe.execute()


def listed(store: Store, page: int) -> list[str]:
    """Return all deliveries as pages show them, newest first."""
    found: list[str] = []
    cursor = None
    while True:
        rows, cursor = deliveries(store, cursor, page)
        found += [row["message_id"] for row in rows]
        if cursor is None:
            return found


@pytest.fixture
def store(connection: "redis.Redis") -> Store:
    return Store(connection, DEPLOYMENT)


@pytest.fixture(autouse=True)
def _then() -> Any:
    with time_machine.travel(START + 5 * _DAY):
        yield


def test_what_is_packed_is_found_by_its_id_and_listed_in_order_with_the_rest(connection: Any, store: Store) -> None:
    rows = [summary(number, "unknown" if number % 40 == 7 else "ignored") for number in range(350)]
    remember(connection, rows)
    before = {
        name: connection.memory_usage(name, samples=0) for name in connection.scan_iter(f"*:{DEPLOYMENT}:delivery:*")
    }
    assert store.packs.pack(START + 340, 400 * _DAY) == 3 * SIZE
    after = [connection.memory_usage(name, samples=0) for name in connection.scan_iter(f"*:{DEPLOYMENT}:pack:*")]
    assert len(after) == 3
    assert sum(after) * 5 < sum(before.values())
    # The newest ones lie as before.
    single = {key.rpartition(b":")[2].decode() for key in connection.scan_iter(f"*:{DEPLOYMENT}:delivery:*")}
    assert single == {row["message_id"] for n, row in enumerate(rows) if n >= 300}
    assert {name.decode() for name in connection.zrange(keys.deliveries(DEPLOYMENT), 0, -1)} == single
    for row in rows:
        assert store.inbox.delivery(row["message_id"]) == row
    assert store.inbox.delivery("never") is None
    newest_first = [row["message_id"] for row in reversed(rows)]
    for page in (7, 100, 1000):
        assert listed(store, page) == newest_first
    assert deliveries(store, None, 400)[0] == rows[::-1]


def test_a_retry_of_a_packed_delivery_is_a_duplicate(connection: "redis.Redis", store: Store) -> None:
    rows = [summary(number) for number in range(SIZE)]
    remember(connection, rows)
    store.packs.pack(START + 1000, 400 * _DAY)
    job = readyjob.delivery_job(DEPLOYMENT, rows[0]["message_id"], START + 2000, {})
    assert not store.inbox.accept(job, rows[0]["message_id"], START + 2000)
    assert store.inbox.delivery(rows[0]["message_id"]) == rows[0]


def test_late_deliveries_are_listed_at_their_time_though_later_ones_are_packed(
    connection: "redis.Redis", store: Store
) -> None:
    rows = [summary(number) for number in range(3 * SIZE)]
    remember(connection, rows[: 2 * SIZE : 2] + rows[2 * SIZE :])
    store.packs.pack(START + 1000, 400 * _DAY)
    remember(connection, rows[1 : 2 * SIZE : 2])
    store.packs.pack(START + 1000, 400 * _DAY)
    assert listed(store, 30) == [row["message_id"] for row in reversed(rows)]


def test_packs_end_with_the_time_for_which_deliveries_are_kept(connection: Any, store: Store) -> None:
    remember(connection, [summary(number) for number in range(2 * SIZE)])
    store.packs.pack(START + 1000, 4000 * _DAY)
    assert expires_at(connection, keys.pack(DEPLOYMENT, 1)) == int(START + SIZE - 1 + 4000 * _DAY) + 1
    assert store.packs.forget(START + SIZE) == 1
    assert store.packs.count() == SIZE
    assert connection.exists(keys.pack(DEPLOYMENT, 1), keys.pack(DEPLOYMENT, 2)) == 1
    assert store.inbox.delivery(summary(0)["message_id"]) is None
    assert store.packs.forget_oldest(10) == START + 2 * SIZE - 1
    assert listed(store, 10) == []


def before_the_next_parse(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Let another client do something between a read and the write that depends on it."""
    real = json.loads

    def loads(text: Any, **how: Any) -> Any:
        monkeypatch.setattr(json, "loads", real)
        action()
        return real(text, **how)

    monkeypatch.setattr(json, "loads", loads)


def test_a_delivery_that_changes_while_it_is_packed_is_packed_as_changed(
    connection: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [summary(number) for number in range(SIZE)]
    remember(connection, rows)
    name, changed = keys.delivery(DEPLOYMENT, rows[3]["message_id"]), json.dumps({**rows[3], "owner": "erased"})
    before_the_next_parse(monkeypatch, lambda: connection.set(name, changed))
    assert store.packs.pack(START + 1000, 400 * _DAY) == SIZE
    assert not connection.exists(name)
    assert (store.inbox.delivery(rows[3]["message_id"]) or {})["owner"] == "erased"


def test_of_a_pack_that_two_processes_change_at_once_both_changes_hold(
    connection: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [summary(number) for number in range(SIZE)]
    remember(connection, rows)
    store.packs.pack(START + 1000, 400 * _DAY)
    first, second, third = (row["message_id"] for row in rows[:3])
    before_the_next_parse(monkeypatch, lambda: store.packs.take_out(first))
    assert store.packs.take_out(second)
    before_the_next_parse(monkeypatch, lambda: store.packs.take_out(third))
    assert store.packs.rewrite(lambda row: {**row, "owner": "nobody"}) == SIZE - 3
    single = connection.mget(keys.delivery(DEPLOYMENT, one) for one in (first, second, third))
    assert [json.loads(text) for text in single] == rows[:3]
    assert [store.inbox.delivery(row["message_id"]) for row in rows[3:]] == [{**r, "owner": "nobody"} for r in rows[3:]]


def test_erasing_a_person_reaches_a_delivery_that_leaves_its_pack_meanwhile(
    connection: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [summary(number, payload={"x": number}) for number in range(SIZE)]
    remember(connection, rows)
    store.packs.pack(START + 1000, 400 * _DAY)
    rewrite = Packs.rewrite

    def after_a_replay(self: Packs, changed: Any) -> int:
        assert self.take_out(rows[0]["message_id"])
        return rewrite(self, changed)

    monkeypatch.setattr(Packs, "rewrite", after_a_replay)
    done = erase(store, make_config(), "Ada", "grace")
    assert done.deliveries == SIZE
    assert {(store.inbox.delivery(row["message_id"]) or {})["owner"] for row in rows} == {done.instead}


def test_erasing_a_person_reaches_what_is_packed(connection: "redis.Redis", store: Store) -> None:
    rows = [summary(number, owner="grace" if number % 2 else "ada", payload={"x": number}) for number in range(120)]
    remember(connection, rows)
    store.packs.pack(START + 1000, 400 * _DAY)
    done = erase(store, make_config(), "Ada", "grace")
    assert done.deliveries == 60
    found = [store.inbox.delivery(row["message_id"]) or {} for row in rows]
    assert {row["owner"] for row in found} == {"grace", done.instead}
    assert all(row["payload"] is None for row in found if row["owner"] == done.instead)


def test_the_sweep_packs_what_is_older_than_a_day(connection: Any, store: Store) -> None:
    remember(connection, [summary(number) for number in range(SIZE + 20)])
    connection.sadd(keys.DEPLOYMENTS, DEPLOYMENT)
    with time_machine.travel(START + _DAY):
        sweep(connection, make_config(deployment=DEPLOYMENT))
        assert connection.zcard(keys.packs(DEPLOYMENT)) == 0
    with time_machine.travel(START + _DAY + SIZE + 1):
        sweep(connection, make_config(deployment=DEPLOYMENT))
        assert connection.zcard(keys.packs(DEPLOYMENT)) == 1
        assert connection.zcard(keys.deliveries(DEPLOYMENT)) == 20


def test_a_packed_delivery_that_no_rule_matched_can_be_replayed(connection: Any, store: Store) -> None:
    rows = [summary(n, "unknown" if n == 7 else "evidence", payload={"x": n}) for n in range(SIZE + 10)]
    remember(connection, rows)
    store.packs.pack(START + 1000, 400 * _DAY)
    assert [one.message_id for one in not_understood(store, among=1000, most=10)] == [rows[7]["message_id"]]
    done = replay_unknown(store, "ada")
    assert (done.queued, done.ids, done.looked_at) == (1, [rows[7]["message_id"]], SIZE + 10)
    # It is single again, once, and in its place.
    assert connection.exists(keys.delivery(DEPLOYMENT, rows[7]["message_id"])) == 1
    assert listed(store, 30) == [row["message_id"] for row in reversed(rows)]
    assert replay(store, rows[7]["message_id"], "ada") is Replayed.UNDER_WAY
    assert replay(store, rows[8]["message_id"], "ada") is Replayed.UNDERSTOOD
