"""Reading the ledger: pages by time and name that show every record once, and what single records hold."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.count.meter import RecordState, UsageRecord
from app.store.count import records as records_module
from app.store.count.search import find
from app.store.timeline import Place
from tests.store.make import ledger, moment, put, record
from tests.store.make import records as reader

USERS = ("ada", "bob", "cem")
TEMPLATES = ("claude", "aider", "")


def walk(connection: "redis.Redis", limit: int, **filters: Any) -> list[UsageRecord]:
    found: list[UsageRecord] = []
    cursor = None
    for _ in range(500):
        page, cursor = reader(connection).page(cursor, limit, **filters)
        assert len(page) <= limit
        found += page
        if cursor is None:
            return found
    raise AssertionError("the walk has no end")


def newest_first(records: list[UsageRecord]) -> list[UsageRecord]:
    return sorted(records, key=lambda one: (one.at, one.key), reverse=True)


@pytest.fixture(scope="module")
def year() -> list[UsageRecord]:
    """Return 300 records over 14 months, some of one moment, some on the edges of days and months."""
    draw = random.Random(7)
    edges = [moment("2026-01-01T00:00:00"), moment("2026-01-31T23:59:59.999999"), moment("2026-02-01T00:00:00")]
    made = []
    for number in range(300):
        at = draw.choice(edges) if number % 10 == 0 else moment("2025-03-01T00:00:00") + draw.random() * 420 * 86_400
        made.append(
            record(
                f"build:{number:03}",
                at=at,
                workspace_id=f"w{number % 40}",
                owner=draw.choice(USERS),
                template=draw.choice(TEMPLATES),
                organization=draw.choice(("coder", "acme")),
                build_id=f"{number:03}",
                state=draw.choice(list(RecordState)),
            )
        )
    return made


@pytest.fixture
def stored(connection: "redis.Redis", year: list[UsageRecord]) -> list[UsageRecord]:
    for workspace_id in sorted({one.workspace_id for one in year}):
        put(ledger(connection), workspace_id, [one for one in year if one.workspace_id == workspace_id])
    return year


def every(one: UsageRecord) -> bool:
    return bool(one.key)


def none(one: UsageRecord) -> bool:
    return not one.key


FILTERS: dict[str, tuple[dict[str, Any], Callable[[UsageRecord], bool]]] = {
    "none": ({}, every),
    "user": ({"user": "ada"}, lambda one: one.owner == "ada"),
    "template": ({"template": "claude"}, lambda one: one.template == "claude"),
    "organization": ({"organization": "acme"}, lambda one: one.organization == "acme"),
    "state": ({"state": "proved"}, lambda one: one.state is RecordState.PROVED),
    "user and template": (
        {"user": "bob", "template": "aider"},
        lambda one: (one.owner, one.template) == ("bob", "aider"),
    ),
    "user and state": (
        {"user": "bob", "state": "provisional"},
        lambda one: (one.owner, one.state) == ("bob", RecordState.PROVISIONAL),
    ),
    "nobody": ({"user": "nobody"}, none),
    "a part of a name": ({"user": "ad"}, none),
    "a template for a name": ({"user": "claude"}, none),
    "from": ({"start": moment("2026-01-01T00:00:00")}, lambda one: one.at >= moment("2026-01-01T00:00:00")),
    "to": ({"end": moment("2026-01-01T00:00:00")}, lambda one: one.at < moment("2026-01-01T00:00:00")),
    "a month": (
        {"start": moment("2026-01-01T00:00:00"), "end": moment("2026-02-01T00:00:00")},
        lambda one: moment("2026-01-01T00:00:00") <= one.at < moment("2026-02-01T00:00:00"),
    ),
    "a user's noon": (
        {"user": "cem", "start": moment("2025-06-10T12:00:00"), "end": moment("2025-09-20T12:00:00")},
        lambda one: one.owner == "cem" and moment("2025-06-10T12:00:00") <= one.at < moment("2025-09-20T12:00:00"),
    ),
    "an empty span": (
        {"start": moment("2026-02-01T00:00:00"), "end": moment("2026-01-01T00:00:00")},
        none,
    ),
    "before all": ({"user": "ada", "end": moment("2020-01-01T00:00:00")}, none),
    "after all": ({"user": "ada", "start": moment("2040-01-01T00:00:00")}, none),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_walk_shows_every_record_that_a_filter_takes_once_and_newest_first(
    connection: "redis.Redis", stored: list[UsageRecord], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filters, takes = FILTERS[name]
    expected = newest_first([one for one in stored if takes(one)])
    for limit in (1, 7, 500):
        assert walk(connection, limit, **filters) == expected
    # A call looks at a bounded number of records, and the walk finds all the same.
    monkeypatch.setattr(records_module, "SCANNED_AT_MOST", 10)
    assert len(reader(connection).page(None, 500, **filters)[0]) <= 10
    assert walk(connection, 500, **filters) == expected


def test_pages_are_full_where_nothing_is_filtered(connection: "redis.Redis", stored: list[UsageRecord]) -> None:
    page, cursor = reader(connection).page(None, 299)
    assert (len(page), cursor is None) == (299, False)
    page, cursor = reader(connection).page(None, 300)
    assert (len(page), cursor) == (300, None)


@pytest.mark.parametrize("user", ["", "ada"])
def test_the_first_moment_belongs_to_a_span_and_the_last_does_not(connection: "redis.Redis", user: str) -> None:
    hours = [record(f"build:{hour}", at=moment(f"2026-05-04T{hour}:00:00")) for hour in (10, 12, 14, 16)]
    put(ledger(connection), "w1", hours)
    found = walk(connection, 10, start=hours[1].at, end=hours[3].at, user=user)
    assert found == [hours[2], hours[1]]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 9), gone=st.integers(0, 8), user=st.sampled_from(["", "ada"]))
def test_records_that_come_and_go_shift_nothing(connection: "redis.Redis", limit: int, gone: int, user: str) -> None:
    """Newer ones come, also of the very moment of the last one shown; that one itself is taken back."""
    connection.flushall()
    at = moment("2026-05-04T09:30:00")
    old = [record(f"hint:w{n}:1", workspace_id=f"w{n}", at=at + n // 3, owner="ada") for n in range(9)]
    for one in old:
        put(ledger(connection), one.workspace_id, [one])
    first, cursor = reader(connection).page(None, limit, user=user)
    shown = first[-1]
    put(ledger(connection), f"w{gone}", [])
    put(ledger(connection), "z", [record("hint:z:1", workspace_id="z", at=shown.at, owner="ada")])
    put(ledger(connection), "new", [record("hint:new:1", workspace_id="new", at=at + 99, owner="ada")])
    rest: list[UsageRecord] = []
    while cursor is not None:
        page, cursor = reader(connection).page(cursor, limit, user=user)
        rest += page
    behind = [one for one in newest_first(old) if one not in first and one.workspace_id != f"w{gone}"]
    assert rest == behind


def test_a_name_is_found_without_looking_at_others_records(
    connection: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four thousand builds of others lie between two of ada's; the totals tell on which days hers are."""
    into = ledger(connection)
    hers = [record("build:a1", at=moment("2026-01-05T10:00:00")), record("build:a2", at=moment("2026-04-05T10:00:00"))]
    put(into, "w1", hers)
    others = [
        record(f"build:{n}", workspace_id="w2", owner="bob", at=moment("2026-02-01T00:00:00") + n * 1000)
        for n in range(4000)
    ]
    put(into, "w2", others)
    monkeypatch.setattr(records_module, "SCANNED_AT_MOST", 300)
    assert reader(connection).page(None, 10, user="ada") == (hers[::-1], None)


def test_a_name_in_another_field_is_nobody(connection: "redis.Redis") -> None:
    hers = record("build:1", workspace_id="w1")
    his = record("build:2", workspace_id="w2", owner="bob", workspace="ada", template="ada", organization="ada")
    put(ledger(connection), "w1", [hers])
    put(ledger(connection), "w2", [his])
    assert walk(connection, 10, user="ada") == [hers]
    assert walk(connection, 10, user="bob", template="ada") == [his]


@pytest.mark.parametrize("name", ['a "quoted" name', "naïve", "back\\slash", "日本", "line\nfeed", "%d*[x]"])
def test_any_name_is_found_as_it_is(connection: "redis.Redis", name: str) -> None:
    theirs = record("build:1", owner=name)
    put(ledger(connection), "w1", [theirs])
    assert walk(connection, 10, user=name) == [theirs]


def test_nothing_stored_is_no_page(connection: "redis.Redis") -> None:
    assert reader(connection).page(None, 10) == ([], None)
    assert reader(connection).page(None, 10, user="ada") == ([], None)
    assert reader(connection).oldest() is None
    assert reader(connection).record("build:1") is None


def test_a_record_is_found_by_key_workspace_and_owner(connection: "redis.Redis", stored: list[UsageRecord]) -> None:
    assert reader(connection).record("build:007") == stored[7]
    of_workspace = sorted((one for one in stored if one.workspace_id == "w7"), key=lambda one: one.at)
    assert find(reader(connection), "w7") == of_workspace
    assert reader(connection).of_workspace("w7") == of_workspace
    assert find(reader(connection), "build:007") == [stored[7]]
    assert find(reader(connection), "nothing") == []


def test_the_oldest_day_is_that_of_the_first_record(connection: "redis.Redis", stored: list[UsageRecord]) -> None:
    oldest = reader(connection).oldest()
    assert oldest is not None
    assert moment(f"{oldest}T00:00:00") <= min(one.at for one in stored) < moment(f"{oldest}T00:00:00") + 86_400


@pytest.mark.parametrize("text", ["", "x", "~", "1.0~", "~x", "nan~x", "inf~x", "1_0.0~x", "1~x", " 1.0~x", "(1.0~x"])
def test_what_is_no_place_is_refused(connection: "redis.Redis", text: str) -> None:
    with pytest.raises(ValueError):
        reader(connection).page(text, 10)


@given(at=st.floats(0, 1e11), member=st.text(min_size=1))
def test_a_place_reads_what_it_writes(at: float, member: str) -> None:
    assert Place.parse(str(Place(at, member))) == Place(at, member)


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("hint:w1:1", ["hint:w1:1"]),
        ("w1", ["hint:w1:1", "hint:w1:2"]),
        ("write-tests", ["hint:w1:1", "hint:w1:2", "hint:w2:1"]),
        ("Write-Tests", ["hint:w1:1", "hint:w1:2", "hint:w2:1"]),
        ("ada/write-tests", ["hint:w1:1", "hint:w1:2"]),
        ("grace/write-tests", ["hint:w2:1"]),
        ("grace", []),
        ("nothing", []),
        ("", []),
    ],
)
def test_records_are_found_by_key_workspace_and_name(connection: "redis.Redis", what: str, found: list[str]) -> None:
    into = ledger(connection)
    put(into, "w1", [record("hint:w1:2", at=2.0), record("hint:w1:1", at=1.0)])
    put(into, "w2", [record("hint:w2:1", workspace_id="w2", owner="grace", at=3.0)])
    assert [one.key for one in find(reader(connection), what)] == found
