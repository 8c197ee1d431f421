"""The ledger: whatever is settled, in whatever order and how often, the totals are those of the records."""

import threading
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.count.meter import AWB, RecordState, UsageRecord
from app.store import keys
from tests.store.make import (
    DEPLOYMENT,
    ledger,
    moment,
    put,
    record,
    stored_tops,
    stored_totals,
    tops_of,
    totals_of,
    update,
)
from tests.store.make import records as stored_records

_MOMENTS = (
    "2024-02-29T12:00:00",
    "2025-12-31T23:59:59.999999",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00.000001",
    "2026-01-31T23:59:59",
    "2026-02-01T00:00:00",
)
_NAMES = st.sampled_from(["", "ada", "Ada", "grace hopper", "jörg", "a:b", "1e3"])
_RECORDS = st.builds(
    lambda number, at, names, weight, state: (
        number,
        {"at": at, "owner": names[0], "template": names[1], "organization": names[2], "weight": weight, "state": state},
    ),
    st.integers(1, 4),
    st.sampled_from([moment(text) for text in _MOMENTS]),
    st.tuples(_NAMES, _NAMES, _NAMES),
    st.integers(1, 3),
    st.sampled_from(list(RecordState)),
)
_STEPS = st.lists(st.tuples(st.sampled_from(["w1", "w2", "w3"]), st.lists(_RECORDS, max_size=4)), max_size=12)


def _records(workspace_id: str, rows: list[tuple[int, dict[str, Any]]]) -> tuple[UsageRecord, ...]:
    by_key = {f"hint:{workspace_id}:{number}": fields for number, fields in rows}
    return tuple(record(key, workspace_id=workspace_id, **fields) for key, fields in by_key.items())


@given(steps=_STEPS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_totals_and_tops_always_equal_a_recount_of_the_records(connection: "redis.Redis", steps: Any) -> None:
    connection.flushall()
    into, standing = ledger(connection), dict[str, tuple[UsageRecord, ...]]()
    for workspace_id, rows in steps:
        records = _records(workspace_id, rows)
        before = sum(one.weight for one in standing.get(workspace_id, ()))
        assert put(into, workspace_id, records) == sum(one.weight for one in records) - before
        assert put(into, workspace_id, records) == 0
        standing[workspace_id] = records
        everything = [one for of_workspace in standing.values() for one in of_workspace]
        assert stored_totals(connection) == totals_of(everything)
        assert stored_tops(connection) == tops_of(everything)
    everything = [one for of_workspace in standing.values() for one in of_workspace]
    indexed = connection.zrange(keys.records(DEPLOYMENT, AWB), 0, -1, withscores=True)
    assert {key.decode(): at for key, at in indexed} == {one.key: one.at for one in everything}
    assert {one.key: stored_records(connection).record(one.key) for one in everything} == {
        one.key: one for one in everything
    }
    assert len(list(connection.scan_iter(match=keys.record(DEPLOYMENT, AWB, "*")))) == len(everything)


def test_a_proved_build_takes_the_place_of_a_hint(connection: "redis.Redis") -> None:
    into = ledger(connection)
    assert put(into, "w1", [record(), record("hint:w1:2")]) == 2
    proved = record("build:b1", state=RecordState.PROVED, at=moment("2026-04-30T23:59:59"), build_id="b1")
    assert put(into, "w1", [proved]) == -1
    assert stored_records(connection).of_workspace("w1") == [proved]
    assert stored_totals(connection) == {"d:2026-04-30": 1, "m:2026-04": 1}


@pytest.mark.parametrize("version", [0, 2, 17])
def test_a_settlement_of_another_version_is_a_conflict_and_writes_nothing(
    connection: "redis.Redis", version: int
) -> None:
    into = ledger(connection)
    put(into, "w1", [record()])
    before = stored_totals(connection), connection.hgetall(keys.workspace(DEPLOYMENT, AWB, "w1"))
    assert into.update_records([update("w1", version, record(), record("hint:w1:2"))]) == (0, ["w1"])
    assert (stored_totals(connection), connection.hgetall(keys.workspace(DEPLOYMENT, AWB, "w1"))) == before


def test_one_conflict_does_not_hold_up_the_other_workspaces(connection: "redis.Redis") -> None:
    into = ledger(connection)
    put(into, "w1", [record()])
    stale = update("w1", 0, record("hint:w1:2"))
    fresh = update("w2", 0, record("hint:w2:1", workspace_id="w2"))
    assert into.update_records([stale, fresh]) == (1, ["w1"])


def test_of_eight_that_race_on_one_workspace_one_settles_and_seven_are_refused_with_a_message(
    connection: "redis.Redis",
) -> None:
    for version in range(20):
        barrier, outcomes = threading.Barrier(8), list[tuple[int, list[str]]]()

        def race(number: int, version: int = version, barrier: threading.Barrier = barrier) -> None:
            into = ledger(connection)
            mine = update("w1", version, record(owner=f"user-{number}-{version}"))
            barrier.wait()
            outcomes.append(into.update_records([mine]))  # noqa: B023 - the threads end before the loop goes on

        threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(conflicts for _, conflicts in outcomes) == [[], *[["w1"]] * 7]
        [kept] = stored_records(connection).of_workspace("w1")
        assert stored_totals(connection) == totals_of([kept])
        assert stored_tops(connection) == tops_of([kept])
