"""Records, one record, and its deliveries: filters, paging, downloads, and the way from a number to its reason."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app.core.count.meter import RecordState
from tests.browser import world
from tests.browser.markup import Markup, complaints
from tests.conftest import RedisServer, make_config

NOW = datetime(2026, 5, 13, 10, 0, tzinfo=UTC)
Client = Callable[..., FlaskClient]


@pytest.fixture
def client(connection: "redis.Redis", redis_server: RedisServer, time_machine: Any) -> Client:
    time_machine.move_to(NOW, tick=False)

    def build(**settings: Any) -> FlaskClient:
        return world.application(make_config(redis_server.url, **settings), connection).test_client()

    return build


def put(connection: "redis.Redis", *records: Any) -> None:
    world.put(connection, records)
    world.deliver(connection, records)


def page_of(client: FlaskClient, path: str) -> Markup:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert complaints(answer.text) == []
    return Markup(answer.text)


def rows_of(client: FlaskClient, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(path).text)))


FILTERS = [
    ("", ["w1", "w2", "w3", "w4"]),
    ("user=ada", ["w1", "w3"]),
    ("template=aider", ["w2", "w3"]),
    ("organization=research", ["w4"]),
    ("state=proved", ["w4"]),
    ("state=provisional", ["w1", "w2", "w3"]),
    ("from=2026-05-12", ["w1", "w2"]),
    ("to=2026-05-11", ["w3", "w4"]),
    ("from=2026-05-11&to=2026-05-12", ["w2", "w3"]),
    ("user=ada&template=aider&to=2026-05-11", ["w3"]),
    ("user=nobody", []),
    ("what=w2", ["w2"]),
    ("what=ADA/w3", ["w3"]),
    ("what=nothing", []),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_filters_choose_what_the_page_and_its_files_hold(
    client: Client, connection: "redis.Redis", query: str, expected: list[str]
) -> None:
    put(
        connection,
        world.build(1, NOW, workspace="w1"),
        world.build(2, NOW - timedelta(days=1), workspace="w2", owner="grace", template="aider"),
        world.build(3, NOW - timedelta(days=2), workspace="w3", template="aider"),
        world.build(
            4, NOW - timedelta(days=3), workspace="w4", owner="linus", organization="research", state=RecordState.PROVED
        ),
    )
    asked = client()
    assert [row["workspace"] for row in rows_of(asked, f"/records?format=csv&{query}")] == expected
    page = page_of(asked, f"/records?{query}")
    assert [name for name in ("w1", "w2", "w3", "w4") if f"/{name}" in page.text] == expected


def test_the_form_keeps_what_was_filtered_by_and_takes_each_filter_off_alone(
    client: Client, connection: "redis.Redis"
) -> None:
    put(connection, world.build(1, NOW, owner="a&b"))
    page = page_of(client(), "/records?user=a%26b&from=2026-05-01")
    fields = {a.get("name"): a.get("value") for a in page.all("input")}
    assert (fields["user"], fields["from"]) == ("a&b", "2026-05-01")
    assert {"/records?from=2026-05-01", "/records?user=a%26b"} <= set(page.links())


def test_pages_of_records_follow_each_other_without_gap_or_repetition(
    client: Client, connection: "redis.Redis"
) -> None:
    put(connection, *(world.build(n, NOW - timedelta(minutes=n), owner="ada") for n in range(120)))
    asked, path, seen, pages = client(), "/records?user=ada", [], 0
    while path:
        page = page_of(asked, path)
        seen += [link for link in page.links() if link.startswith("/records/")]
        path = next((a["href"] for a in page.all("a") if a.get("rel") == "next"), "")
        assert "user=ada" in path or not path
        pages += 1
    assert (len(seen), len(set(seen)), pages) == (120, 120, 3)


def test_a_download_holds_all_that_matches_and_not_one_page(client: Client, connection: "redis.Redis") -> None:
    put(connection, *(world.build(n, NOW - timedelta(minutes=n)) for n in range(1100)))
    asked = client()
    assert len(rows_of(asked, "/records?format=csv")) == 1100
    found = json.loads(asked.get("/records?format=json").data)
    assert len(found) == 1100
    assert found[0]["at"] == "2026-05-13T10:00:00Z"
    assert json.loads(asked.get("/records?format=json&user=nobody").data) == []


def test_a_day_shows_its_builds_and_leads_to_the_days_beside(client: Client, connection: "redis.Redis") -> None:
    put(connection, *(world.build(n, NOW - timedelta(days=n % 2, minutes=n)) for n in range(5)))
    page = page_of(client(), "/days/2026-05-12")
    assert "2 builds counted, 2 of them provisional" in " ".join(page.text.split())
    assert {"/days/2026-05-11", "/days/2026-05-13"} <= set(page.links())
    assert "/days/2026-05-14" not in page_of(client(), "/days/2026-05-13").links()
    assert "No builds were counted on this day" in page_of(client(), "/days/2024-01-01").text
    assert len(rows_of(client(), "/days/2026-05-13?format=csv")) == 3


def test_a_record_says_why_it_counted_and_shows_its_evidence(client: Client, connection: "redis.Redis") -> None:
    record = world.build(7, NOW, deliveries=("m-1", "m-2"))
    put(connection, record, world.build(8, NOW))
    connection.delete(f"awb:v1:{world.DEPLOYMENT}:delivery:m-2")
    asked = client(**world.CODER)
    page = page_of(asked, f"/records/{record.key}")
    assert world.REASON in page.text
    assert "task-resumed" in page.text
    assert "Provisional: from notifications" in page.text
    assert "https://coder.example.com/@ada/task-7" in page.links()
    assert "/deliveries/m-1" in page.links()
    assert "m-2, expired" in page.text
    assert "No other builds of this workspace counted" in page.text
    delivery = page_of(asked, "/deliveries/m-1")
    assert "evidence: resumed" in delivery.text
    assert f"/records/{record.key}" in delivery.links()
    assert "/records?deployment" not in "".join(delivery.links())


def test_a_proved_record_without_any_delivery_says_what_proved_it(client: Client, connection: "redis.Redis") -> None:
    record = world.build(7, NOW, deliveries=(), state=RecordState.PROVED, build_id="b-1")
    world.put(connection, [record])
    page = page_of(client(), f"/records/{record.key}")
    assert "Proved by Coder’s API" in page.text
    assert "Coder’s API reported this build; no notification did" in page.text


def test_what_no_delivery_contained_is_unknown(client: Client, connection: "redis.Redis") -> None:
    put(connection, world.build(7, NOW, workspace="", owner="", template="", organization=""))
    asked = client()
    assert world.workspace_id(7) in page_of(asked, "/records").text
    page = page_of(asked, next(link for link in page_of(asked, "/records").links() if link.startswith("/records/")))
    assert page.text.count("Unknown") == 4
    assert "Unknown" in page_of(asked, "/").text


@pytest.mark.parametrize("workspace", ["name:ada/ws", "name:ada//ws", "name:../ws", "name:a%2Fb/ü ?#&"])
def test_a_record_whose_key_holds_a_name_has_a_page(client: Client, connection: "redis.Redis", workspace: str) -> None:
    record = world.build(1, NOW, workspace_id=workspace)
    record = type(record)(**{**world._fields(record), "key": f"hint:{workspace}:1"})
    put(connection, record)
    asked = client()
    path = next(link for link in page_of(asked, "/records").links() if link.startswith("/records/"))
    assert f"hint:{workspace}:1" in page_of(asked, path).text


def test_a_coder_of_another_deployment_is_not_linked_to(client: Client, connection: "redis.Redis") -> None:
    record = world.build(1, NOW)
    world.put(connection, [record], "staging")
    world.deliver(connection, [record], "staging")
    page = page_of(client(**world.CODER), f"/records/{record.key}?deployment=staging")
    assert not [link for link in page.links() if "coder.example.com" in link]


def test_deliveries_are_listed_newest_first(client: Client, connection: "redis.Redis") -> None:
    put(connection, *(world.build(n, NOW - timedelta(minutes=n)) for n in range(60)))
    asked = client()
    page = page_of(asked, "/deliveries")
    shown = [link for link in page.links() if link.startswith("/deliveries/")]
    assert (len(shown), shown[0]) == (50, f"/deliveries/{world.message_id(0)}")
    older = page_of(asked, next(link for link in page.links() if "cursor=" in link))
    assert len([link for link in older.links() if link.startswith("/deliveries/")]) == 10


@pytest.mark.parametrize(
    ("query", "total"),
    [("", 130), ("user=ada", 120), ("user=grace", 10), ("user=ada&from=2026-05-13", 120), ("to=2026-05-13", 130)],
)
def test_every_page_of_records_says_where_it_lies_in_how_many(
    client: Client, connection: "redis.Redis", query: str, total: int
) -> None:
    put(connection, *(world.build(n, NOW - timedelta(minutes=n)) for n in range(120)))
    put(connection, *(world.build(n, NOW - timedelta(minutes=n), owner="grace") for n in range(200, 210)))
    asked, path, shown = client(), f"/records?{query}", 0
    while path:
        page = page_of(asked, path)
        rows = len(page.all("tr")) - 1
        assert f"{shown + 1}–{shown + rows} of {total}" in page.text
        shown += rows
        path = next((a["href"] for a in page.all("a") if a.get("rel") == "next"), "")
    assert shown == total


def test_a_number_of_pages_seen_that_no_link_of_ours_holds_is_ignored(
    client: Client, connection: "redis.Redis"
) -> None:
    put(connection, world.build(1, NOW), world.build(2, NOW))
    for seen in ("x", "-5", "²", "9" * 500, "1e3", ""):
        assert "1–2 of 2" in page_of(client(), f"/records?seen={seen}").text


def test_how_many_match_is_left_open_where_only_reading_them_all_would_tell(
    client: Client, connection: "redis.Redis"
) -> None:
    put(connection, *(world.build(n, NOW - timedelta(minutes=n)) for n in range(120)))
    page = page_of(client(), "/records?user=ada&template=claude-code")
    assert "1–50" in page.text
    assert "1–50 of" not in page.text


def test_filters_and_search_suggest_what_there_is(client: Client, connection: "redis.Redis") -> None:
    put(connection, world.build(1, NOW, workspace="w1", owner='x"<y>', template="aider", organization="lab"))
    page = page_of(client(), "/records")
    lists = {a["list"] for a in page.all("input") if "list" in a}
    assert lists == {a["id"] for a in page.all("datalist")} == {"users", "templates", "organizations", "workspaces"}
    assert {a.get("value") for a in page.all("option")} >= {'x"<y>', "aider", "lab", 'x"<y>/w1'}


@pytest.mark.parametrize("path", ["/records", "/deliveries", "/days/2026-05-12"])
def test_moments_on_pages_are_in_the_configured_zone_and_exports_stay_utc(
    client: Client, connection: "redis.Redis", path: str
) -> None:
    put(connection, world.build(1, datetime(2026, 5, 12, 22, 30, tzinfo=UTC)))
    asked = client(time_zone="Asia/Tokyo")
    text = page_of(asked, path).text
    assert "13 May 2026, 07:30" in text
    assert "22:30" not in text
    assert "Times are Asia/Tokyo; days are UTC, as Coder counts them." in text
    assert "2026-05-12T22:30" in asked.get(path, query_string={"format": "csv"}).text
    assert "All days and times are UTC" in page_of(client(), path).text
