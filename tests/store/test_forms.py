"""What the next version stores in fewer bytes: it is read, changed and found, so that an upgrade can be undone."""

from typing import Any

import pytest

from app.store.count.search import find
from tests.store.forms import shorten
from tests.store.make import ledger, put, record, records, stored_totals


@pytest.fixture
def shortened(connection: Any) -> Any:
    into = ledger(connection)
    put(into, "w1", [record("hint:w1:1", at=1.0), record("hint:w1:2", at=2.0)])
    put(into, "w2", [record("hint:w2:1", workspace_id="w2", owner="grace", at=3.0)])
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
    ],
)
def test_records_are_found(shortened: Any, what: str, found: list[str]) -> None:
    assert [one.key for one in find(records(shortened), what)] == found
    assert {one.workspace_id for one in find(records(shortened), what)} <= {"w1", "w2"}


def test_every_workspace_is_listed_once(shortened: Any) -> None:
    assert sorted(ledger(shortened).workspaces()) == ["w1", "w2"]
    put(ledger(shortened), "w2", [])
    assert sorted(ledger(shortened).workspaces()) == ["w1", "w2"]


def test_records_are_replaced_and_withdrawn(shortened: Any) -> None:
    first = find(records(shortened), "hint:w1:1")
    assert put(ledger(shortened), "w1", first) == -1
    assert find(records(shortened), "w1") == first
    assert find(records(shortened), "w1")[0].workspace_id == "w1"
    assert sum(number for field, number in stored_totals(shortened).items() if field.startswith("d:")) == 2


def test_the_evidence_and_the_replaceable_records_are_read(shortened: Any) -> None:
    stored = ledger(shortened).read_workspaces({"w1": []})["w1"]
    assert stored.keys == {"hint:w1:1", "hint:w1:2"}
    assert stored.version == 1
