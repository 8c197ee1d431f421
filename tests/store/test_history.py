"""Pages of deliveries, events and messages: every row once, whatever arrives meanwhile, many of one moment included."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from app.core.alert.decision import AlertState
from app.store import history
from app.store.alert.alerts import Alerts, Change
from app.store.alert.outbox import Outbox
from app.store.receive.inbox import Inbox, Remembered
from app.store.store import Store
from tests.store.make import DEPLOYMENT, NOW, notification

Read = Callable[[Store, str | None, int], tuple[list[dict[str, Any]], str | None]]


def add_delivery(connection: "redis.Redis", number: int, seconds: int) -> None:
    with connection.pipeline() as pipe:
        at = NOW.timestamp() + seconds
        summary = {"message_id": f"m{number}", "received_at": at, "n": number}
        Inbox(connection, DEPLOYMENT).remember(pipe, [Remembered(f"m{number}", at, summary)], 3600)
        pipe.execute()


def add_event(connection: "redis.Redis", number: int, seconds: int) -> None:
    name = f"scope-{number % 2}"
    alerts, at = Alerts(connection, DEPLOYMENT), NOW + timedelta(seconds=seconds)
    version, _ = alerts.state(name)
    said = replace(notification().alert, name=name, headline=str(number))
    assert alerts.announce(name, version, Change(AlertState(level=str(number)), at, said))


def add_notification(connection: "redis.Redis", number: int, seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)
    Outbox(connection, DEPLOYMENT).add([replace(notification(f"n{number}"), decided_at=at)], at)


LISTS: dict[str, tuple[Read, Callable[["redis.Redis", int, int], None], Callable[[dict[str, Any]], int]]] = {
    "deliveries": (history.deliveries, add_delivery, lambda row: int(row["n"])),
    "events": (history.events, add_event, lambda row: int(row["headline"])),
    "notifications": (history.notifications, add_notification, lambda row: int(row["id"][1:])),
}


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 11, 12, 13])
@pytest.mark.parametrize("name", LISTS)
def test_a_walk_shows_every_row_once_while_others_arrive(connection: "redis.Redis", name: str, limit: int) -> None:
    """Twelve rows of four moments; with each page one arrives, newer, or of the moment just shown."""
    read, add, number_of = LISTS[name]
    for number in range(12):
        add(connection, number, number // 5)
    seen: list[int] = []
    cursor: str | None = None
    for page_number in range(20):
        page, cursor = read(Store(connection, DEPLOYMENT), cursor, limit)
        assert len(page) <= limit
        seen += [number_of(row) for row in page]
        if cursor is None:
            break
        add(connection, 100 + page_number, 60 + page_number)
    assert len(seen) == len(set(seen))
    assert {number for number in seen if number < 100} == set(range(12))
    moments = [number // 5 for number in seen]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("name", LISTS)
def test_nothing_is_one_empty_page(connection: "redis.Redis", name: str) -> None:
    assert LISTS[name][0](Store(connection, DEPLOYMENT), None, 5) == ([], None)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("cursor", ["", "x", "nan~x", "1~x", "1.0~"])
def test_what_is_no_cursor_is_refused(connection: "redis.Redis", name: str, cursor: str) -> None:
    with pytest.raises(ValueError):
        LISTS[name][0](Store(connection, DEPLOYMENT), cursor, 5)


def test_a_page_goes_on_over_deliveries_that_have_expired(connection: "redis.Redis") -> None:
    for number in range(4):
        add_delivery(connection, number, number)
    connection.delete(f"awb:{'v1'}:{DEPLOYMENT}:delivery:m2")
    page, cursor = history.deliveries(Store(connection, DEPLOYMENT), None, 2)
    assert [row["n"] for row in page] == [3]
    page, cursor = history.deliveries(Store(connection, DEPLOYMENT), cursor, 2)
    assert ([row["n"] for row in page], cursor) == ([1, 0], None)
