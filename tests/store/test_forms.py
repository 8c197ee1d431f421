"""What the next version stores in fewer bytes: it is read, changed and found, so that an upgrade can be undone."""

from dataclasses import replace
from typing import Any

import pytest

from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState
from app.store.count.ledger import RecordUpdate
from app.store.count.naming import Naming
from app.store.count.search import find
from tests.store.forms import shorten
from tests.store.make import DEPLOYMENT, NOW, ledger, put, record, records, stored_totals

PROVED = [
    record(
        f"build:b{n}",
        state=RecordState.PROVED,
        at=10.0 + n,
        workspace_id="w3",
        workspace="docs",
        owner="eve",
        build_id=f"b{n}",
    )
    for n in (1, 2)
]


@pytest.fixture
def shortened(connection: Any) -> Any:
    into = ledger(connection)
    put(into, "w1", [record("hint:w1:1", at=1.0), record("hint:w1:2", at=2.0)])
    put(into, "w2", [record("hint:w2:1", workspace_id="w2", owner="grace", at=3.0)])
    into.update_records([RecordUpdate("w3", 0, Evidence(), (), NOW.timestamp(), PROVED, 2)])
    into.name({"w3": {"owner": "eve", "owner_id": "o1", "task": "yes"}})
    shorten(connection)
    return connection


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("w1", ["hint:w1:1", "hint:w1:2"]),
        ("Write-Tests", ["hint:w1:1", "hint:w1:2", "hint:w2:1"]),
        ("Ada/write-tests", ["hint:w1:1", "hint:w1:2"]),
        ("grace/write-tests", ["hint:w2:1"]),
        ("eve/write-tests", []),
        ("eve/docs", ["build:b1", "build:b2"]),
        ("w3", ["build:b1", "build:b2"]),
    ],
)
def test_records_are_found(shortened: Any, what: str, found: list[str]) -> None:
    assert [one.key for one in find(records(shortened), what)] == found
    assert {one.workspace_id for one in find(records(shortened), what)} <= {"w1", "w2", "w3"}


def test_every_workspace_is_listed_once(shortened: Any) -> None:
    assert sorted(ledger(shortened).workspaces()) == ["w1", "w2", "w3"]
    put(ledger(shortened), "w2", [])
    assert sorted(ledger(shortened).workspaces()) == ["w1", "w2", "w3"]


def test_records_are_replaced_and_withdrawn(shortened: Any) -> None:
    first = find(records(shortened), "hint:w1:1")
    assert put(ledger(shortened), "w1", first) == -1
    assert find(records(shortened), "w1") == first
    assert find(records(shortened), "w1")[0].workspace_id == "w1"
    assert sum(number for field, number in stored_totals(shortened).items() if field.startswith("d:")) == 4


def test_proved_records_stay_and_are_renamed(shortened: Any) -> None:
    into = ledger(shortened)
    assert records(shortened).of_workspace("w3") == PROVED
    assert into.has_proved("w3")
    assert not into.has_proved("w1")
    assert into.known(["w3"])["w3"].names == {"owner": "eve", "owner_id": "o1", "task": "yes"}
    later = replace(PROVED[0], key="build:b3", at=20.0, build_id="b3")
    assert into.update_records([RecordUpdate("w3", 1, Evidence(), (), 0, [later], 3)]) == (1, [])
    assert Naming(shortened, DEPLOYMENT, AWB).rename("w3", {"owner": "eva"}) == 3
    assert records(shortened).of_workspace("w3") == [replace(one, owner="eva") for one in (*PROVED, later)]


def test_the_evidence_and_the_replaceable_records_are_read(shortened: Any) -> None:
    stored = ledger(shortened).read_workspaces({"w1": []})["w1"]
    assert stored.keys == {"hint:w1:1", "hint:w1:2"}
    assert stored.version == 1
