"""What versions before schema 4 stored: it is read, changed and found as it is, and migrated without a loss."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState
from app.store import keys
from app.store.count.ledger import RecordUpdate
from app.store.count.naming import Naming
from app.store.count.relist import list_by_name
from app.store.count.search import find
from app.store.schema import Schema, note_schema, prepare
from tests.core.make import event, evidence_of
from tests.core.test_evidence import C
from tests.store.forms import lengthen
from tests.store.make import DEPLOYMENT, ledger, put, record, records, stored_totals

ALL = ["w1", "w2", "w3", "w4"]
PROVED = [
    record(f"build:b{n}", state=RecordState.PROVED, at=10.0 + n, workspace_id="w3", build_id=f"b{n}", workspace="A/Odd")
    for n in (1, 2)
]


def migrated(connection: Any) -> None:
    lengthen(connection)
    note_schema(connection, Schema(3, 2))
    prepare(connection)


def migrated_by_half(connection: Any) -> None:
    """The migration runs again after a process died, and an earlier version writes in between."""
    lengthen(connection)
    list_by_name(connection)
    connection.zadd(keys.workspaces(DEPLOYMENT, AWB), {"w2": 5.0})
    connection.zadd(keys.named(DEPLOYMENT, AWB), {"grace/write-tests\nw2": 0})
    list_by_name(connection)


def as_it_is(_connection: Any) -> None:
    pass


@pytest.fixture(params=[lengthen, migrated, migrated_by_half, as_it_is])
def stored(connection: Any, request: pytest.FixtureRequest) -> Any:
    into = ledger(connection)
    put(into, "w1", [record("hint:w1:1", at=1.0), record("hint:w1:2", at=2.0)])
    put(into, "w2", [record("hint:w2:1", workspace_id="w2", owner="grace", at=3.0)])
    into.update_records([RecordUpdate("w3", 0, Evidence(), (), PROVED, 2)])
    into.name({"w3": {"owner": "ada", "owner_id": "o1", "task": "yes"}})
    # It has evidence and no records, because nothing shows that it belongs to a task.
    into.update_records([RecordUpdate("w4", 0, evidence_of((C, event("m4"))), ())])
    change: Callable[[Any], None] = request.param
    change(connection)
    return connection


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("w1", ["hint:w1:1", "hint:w1:2"]),
        ("Write-Tests", ["hint:w1:1", "hint:w1:2", "hint:w2:1"]),
        ("Ada/write-tests", ["hint:w1:1", "hint:w1:2"]),
        ("grace/write-tests", ["hint:w2:1"]),
        ("eve/write-tests", []),
        ("a/odd", ["build:b1", "build:b2"]),
        ("ada/a/odd", ["build:b1", "build:b2"]),
        ("old-prototype", []),
    ],
)
def test_records_are_found_with_the_id_of_their_workspace(stored: Any, what: str, found: list[str]) -> None:
    shown = find(records(stored), what)
    assert [one.key for one in shown] == found
    assert all(one.workspace_id in ALL for one in shown)


def test_every_workspace_is_listed_once(stored: Any) -> None:
    assert sorted(ledger(stored).workspaces()) == ALL
    put(ledger(stored), "w2", [])
    assert sorted(ledger(stored).workspaces()) == ALL


def test_records_are_replaced_and_withdrawn(stored: Any) -> None:
    first = find(records(stored), "hint:w1:1")
    assert put(ledger(stored), "w1", first) == -1
    assert find(records(stored), "w1") == first
    assert sum(number for field, number in stored_totals(stored).items() if field.startswith("d:")) == 4


def test_proved_records_stay_and_are_renamed(stored: Any) -> None:
    into = ledger(stored)
    assert records(stored).of_workspace("w3") == PROVED
    assert into.has_proved("w3")
    assert not into.has_proved("w1")
    assert into.known(["w3"])["w3"].names == {"owner": "ada", "owner_id": "o1", "task": "yes"}
    later = [replace(PROVED[0], key=f"build:{name}", at=20.0, build_id=name) for name in ("b3", "odd\nname")]
    again = RecordUpdate("w3", 1, Evidence(), (), [*PROVED, *later], 3)
    assert into.update_records([again]) == (2, [])
    assert into.update_records([replace(again, version=2)]) == (0, [])
    assert Naming(stored, DEPLOYMENT, AWB).rename("w3", {"owner": "eva"}) == 4
    assert records(stored).of_workspace("w3") == [replace(one, owner="eva") for one in (*PROVED, *later)]


def test_any_number_of_proved_builds_is_listed_in_bounded_writes(connection: Any) -> None:
    into = ledger(connection)
    builds = [record(f"build:{n:032}", state=RecordState.PROVED, at=float(n), build_id=f"{n:032}") for n in range(200)]
    for n in range(0, 200, 10):
        assert into.update_records([RecordUpdate("w1", n // 10, Evidence(), (), builds[n : n + 10], n)]) == (10, [])
    assert records(connection).of_workspace("w1") == builds
    stored = connection.hget(keys.workspace(DEPLOYMENT, AWB, "w1"), "p")
    assert 800 < len(stored) < 1000
    listed = connection.zcard(keys.proved(DEPLOYMENT, AWB, "w1"))
    assert len(stored.split()) + listed == 200


def test_evidence_and_replaceable_records_are_read(stored: Any) -> None:
    known = ledger(stored).read_workspaces({"w1": [], "w3": [], "w4": []})
    assert known["w1"].keys == {"hint:w1:1", "hint:w1:2"}
    assert known["w3"].keys == frozenset()
    assert known["w4"].evidence == evidence_of((C, event("m4")))


@pytest.mark.parametrize("change", [migrated, as_it_is])
def test_each_workspace_takes_one_place_in_one_list(connection: Any, change: Callable[[Any], None]) -> None:
    evidence = evidence_of((C, event("m1")))
    counted = [record("hint:w1:1", workspace="old-prototype")]
    ledger(connection).update_records([RecordUpdate("w1", 0, evidence, counted), RecordUpdate("w2", 0, evidence, ())])
    change(connection)
    assert connection.zrange(keys.named(DEPLOYMENT, AWB), 0, -1) == [b"old-prototype\nw1", b"old-prototype\nw2"]
    assert not connection.exists(keys.workspaces(DEPLOYMENT, AWB))


def test_a_name_with_line_breaks_does_not_hide_its_workspace(connection: Any) -> None:
    odd = record("hint:w1:1", workspace="Two\nlines")
    put(ledger(connection), "w1", [odd])
    named = "name:ada/two\nlines"
    put(ledger(connection), named, [record(f"hint:{named}:1", workspace_id=named, workspace="two\nlines")])
    assert set(ledger(connection).workspaces()) == {"w1", named}
    for what in ("two\nlines", "ada/two\nlines", "two lines"):
        assert {one.workspace_id for one in find(records(connection), what)} == {"w1", named}


def test_evidence_that_cannot_be_read_does_not_stop_the_migration(connection: Any) -> None:
    put(ledger(connection), "w1", [record("hint:w1:1")])
    lengthen(connection)
    connection.hset(keys.workspace(DEPLOYMENT, AWB, "w1"), "e", b"\x78\x01garbage")
    list_by_name(connection)
    assert set(ledger(connection).workspaces()) == {"w1"}
