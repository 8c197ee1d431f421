"""A workspace with a long history: what a delivery costs, and that nothing is lost or counted twice for it."""

import random
from dataclasses import replace
from typing import Any

import pytest
import redis

from app.core.count.estimate import KEPT
from app.core.count.evidence import NOTHING_FOLDED
from app.core.count.meter import AWB
from app.pipeline.count.count import count, recount
from app.store import keys
from app.store.count.ledger import Ledger, RecordUpdate
from app.store.count.records import Records
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.streams import DEPLOYMENT, STARTED_AT, Delivery, books, config_for, resumes, used
from tests.store.make import stored_tops, stored_totals, tops_of, totals_of

WORKSPACE = "11111111-1111-4111-8111-111111111111"
LONG = 3 * KEPT


@pytest.fixture
def config(redis_server: RedisServer) -> Any:
    return config_for(redis_server.url, limit=100_000)


@pytest.fixture
def ledger(connection: "redis.Redis") -> Ledger:
    return Ledger(connection, DEPLOYMENT, AWB)


def pauses(number: int) -> list[Delivery]:
    return [
        (DEPLOYMENT, f"p{n}", STARTED_AT + n + 0.5, {**payload, "notification_name": "Task Paused",
         "notification_template_id": "2a74f3d3-ab09-4123-a4a5-ca238f4f65a1"})
        for n, (_, _, _, payload) in enumerate(resumes(number))
    ]  # fmt: skip


def records(connection: "redis.Redis") -> list[Any]:
    found, _ = Records(connection, DEPLOYMENT, AWB).page(None, 10_000)
    return found


def input_bytes(connection: Any) -> int:
    return int(connection.info("stats")["total_net_input_bytes"])


@pytest.mark.parametrize("seed", range(3))
def test_any_order_repetition_and_batching_of_a_long_history_counts_the_same(
    connection: "redis.Redis", config: Any, ledger: Ledger, seed: int
) -> None:
    rng = random.Random(seed)
    told = resumes(LONG) + pauses(LONG + 7)
    repeated = told + rng.sample(told, LONG)
    rng.shuffle(repeated)
    while repeated:
        size = rng.choice([1, 5, 60])
        count(connection, config, repeated[:size])
        repeated = repeated[size:]
    assert used(connection) == LONG + 7
    assert stored_totals(connection) == totals_of(records(connection))
    assert {key: names for key, names in stored_tops(connection).items() if names} == tops_of(records(connection))
    _, evidence = ledger.read([WORKSPACE])[WORKSPACE]
    assert (len(evidence.resumed), len(evidence.paused)) == (KEPT, KEPT)


def test_in_the_order_of_their_arrival_each_resume_keeps_its_own_record(connection: "redis.Redis", config: Any) -> None:
    for start in range(0, LONG, 20):
        count(connection, config, resumes(LONG)[start : start + 20])
    told = sorted((record.at, record.deliveries) for record in records(connection))
    assert told == [(at, (message,)) for _, message, at, _ in resumes(LONG)]


def test_a_delivery_costs_the_same_however_long_the_history_is(connection: Any, config: Any) -> None:
    told = resumes(999)
    costs = {}
    for start in range(300, 999):
        before = input_bytes(connection) if start in (550, 998) else 0
        count(connection, config, told[start : start + 1])
        if before:
            costs[start] = input_bytes(connection) - before
    assert costs[998] <= costs[550] + 20
    assert used(connection) == 699


def test_only_records_that_changed_are_sent(connection: Any, config: Any, ledger: Ledger) -> None:
    count(connection, config, resumes(KEPT - 1))
    sets = int(connection.info("commandstats")["cmdstat_get"]["calls"])
    count(connection, config, resumes(KEPT))
    # One look at the new record, and one at the log of deliveries at most.
    assert int(connection.info("commandstats")["cmdstat_get"]["calls"]) - sets <= 2
    assert used(connection) == KEPT


def test_a_replay_long_after_counts_nothing_twice(connection: "redis.Redis", config: Any) -> None:
    count(connection, config, resumes(LONG))
    before = books(connection)
    assert count(connection, config, resumes(LONG)) == set()
    assert count(connection, config, resumes(7)) == set()
    assert books(connection) == before


def test_proved_builds_take_the_place_of_all_that_was_hinted(connection: Any, config: Any, ledger: Ledger) -> None:
    count(connection, config, resumes(LONG))
    version, evidence = ledger.read([WORKSPACE])[WORKSPACE]
    moved, conflicts = ledger.update_records([RecordUpdate(WORKSPACE, version, evidence.consumed(), ())])
    assert (moved, conflicts, used(connection)) == (-LONG, [], 0)
    assert not connection.exists(keys.folded(DEPLOYMENT, AWB, WORKSPACE))
    assert ledger.read([WORKSPACE])[WORKSPACE][1].base == NOTHING_FOLDED
    count(connection, config, resumes(LONG + 2)[LONG:])
    assert used(connection) == 2


def test_a_name_that_arrives_late_is_given_to_every_record(connection: "redis.Redis", config: Any) -> None:
    nameless = [
        (one, message, at, {**payload, "labels": {"workspace": "write-tests"}, "user_username": ""})
        for one, message, at, payload in resumes(LONG)
    ]
    count(connection, config, nameless)
    named = {**resumes(1)[0][3], "labels": {"workspace": "write-tests", "workspace_owner_username": "grace"}}
    count(connection, config, [(DEPLOYMENT, "late", STARTED_AT + 9999, named)])
    assert {record.owner for record in records(connection)} == {"grace"}
    assert len(records(connection)) == LONG + 1
    assert stored_totals(connection) == totals_of(records(connection))


def test_a_recount_changes_nothing_of_a_long_history(connection: "redis.Redis", config: Any) -> None:
    count(connection, config, resumes(LONG))
    before = books(connection)
    assert recount(Store(connection, DEPLOYMENT), config) == 0
    assert books(connection) == before


def test_a_version_without_folding_that_ran_meanwhile_leaves_an_estimate_that_mends_itself(
    connection: Any, config: Any, ledger: Ledger
) -> None:
    """It knows neither the numbers nor the records that stand for them, and settles what it sees."""
    count(connection, config, resumes(LONG))
    key = keys.workspace(DEPLOYMENT, AWB, WORKSPACE)
    # It verifies: the hints that it knows go, and the numbers and what stands for them stay.
    version, evidence = ledger.read([WORKSPACE])[WORKSPACE]
    consumed = replace(evidence.consumed(), base=evidence.base)
    ledger.update_records([RecordUpdate(WORKSPACE, version, consumed, ())])
    assert used(connection) == LONG - KEPT
    assert connection.hexists(key, "b")
    count(connection, config, resumes(LONG + 1)[LONG:])
    assert used(connection) == 1
