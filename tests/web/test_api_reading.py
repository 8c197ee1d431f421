"""What the API tells: periods, forecast, alerts, messages, queues; paged, tagged, and strict about what is asked."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from app.store.rq import jobqueue
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.conftest import RedisServer
from tests.web import apiworld
from tests.web.apiworld import NOON, fill, get, token


@pytest.fixture(scope="module")
def world(redis_server: RedisServer) -> Iterator[FlaskClient]:
    connection = connect(redis_server.url)
    connection.flushall()
    config = apiworld.settings(redis_server.url)
    app = create_app(config, connection)
    fill(app, config, connection)
    with time_machine.travel(NOON, tick=False):
        yield app.test_client()
    connection.close()


def ask(client: FlaskClient, path: str, headers: dict[str, str] | None = None, **query: Any) -> Any:
    return client.get(f"/api/v1{path}", query_string=query, headers={**token("viewer"), **(headers or {})})


def walk(client: FlaskClient, path: str, field: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": limit}
    for _ in range(100):
        page = get(client, path, **query)
        assert len(page[field]) <= limit
        found += page[field]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]
    raise AssertionError("the walk has no end")


def test_periods_go_back_as_far_as_there_are_records(world: FlaskClient) -> None:
    """Fifty builds lie 40 to 89 days before 17 May: in April, March and February."""
    told = get(world, "/periods")
    rows = [(row["start"][:10], row["end"][:10], row["used"], row["present"]) for row in told["periods"]]
    assert rows == [
        ("2030-05-01", "2030-06-01", 12, True),
        ("2030-04-01", "2030-05-01", 7, False),
        ("2030-03-01", "2030-04-01", 31, False),
        ("2030-02-01", "2030-03-01", 12, False),
    ]
    assert told["notes"] == ["The limit is today's; earlier limits are not stored."]


@pytest.mark.parametrize("period", ["2030-03-01", "2030-03-17", "2030-03-31"])
def test_usage_of_an_older_period_is_asked_for_by_any_of_its_days(world: FlaskClient, period: str) -> None:
    told = get(world, "/usage", period=period)
    assert told["period"] == {"start": "2030-03-01T00:00:00Z", "end": "2030-04-01T00:00:00Z"}
    assert (told["used"], told["counted"], told["provisional"]) == (31, 31, 0)
    assert (told["alert"], told["coder_actual"], told["drift"], told["limit"]) == (None, None, None, 8)
    assert len(told["by_day"]) == 31
    assert told["by_user"] == [{"name": "ada", "used": 31}]
    assert "The limit is today's; earlier limits are not stored." in told["notes"]


def test_the_present_period_is_the_same_by_name(world: FlaskClient) -> None:
    assert get(world, "/usage", period="2030-05-01") == get(world, "/usage")


@pytest.mark.parametrize("period", ["2030-01-31", "2029-05-01", "0001-01-01", "1969-12-31", "2030-06-01", "9999-12-31"])
def test_a_period_without_records_is_not_found(world: FlaskClient, period: str) -> None:
    answer = ask(world, "/usage", period=period)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_the_period_that_begins_with_the_first_record_is_the_last_one(
    world: FlaskClient, redis_server: RedisServer
) -> None:
    """Without Coder's API the configured period holds; the first build was on 17 February."""
    config = apiworld.settings(redis_server.url, period="monthly:17", coder_url="", coder_token="")
    client = create_app(config, connect(redis_server.url)).test_client()
    assert get(client, "/periods")["periods"][-1]["start"] == "2030-02-17T00:00:00Z"
    assert get(client, "/usage", period="2030-02-17")["used"] == 28
    assert ask(client, "/usage", period="2030-02-16").status_code == 404


def test_the_forecast_says_its_words_and_numbers(world: FlaskClient) -> None:
    told = get(world, "/forecast")
    assert (told["used"], told["limit"], told["reached"]) == (12, 8, True)
    assert told["words"]
    assert told["elapsed_percent"] == 53.2


def test_records_are_filtered_by_time_name_and_state(world: FlaskClient) -> None:
    old = get(world, "/records", **{"from": "2030-03-01", "to": "2030-04-01", "user": "ada", "state": "proved"})
    assert len(old["records"]) == 31
    assert all(row["at"].startswith("2030-03") for row in old["records"])
    moment = {"from": "2030-05-17T06:59:00+02:00", "to": "2030-05-17T08:00:00Z"}
    assert len(get(world, "/records", **moment)["records"]) == 4
    assert get(world, "/records", user="user1", state="proved") == {"records": [], "next": None}
    assert {row["owner"] for row in get(world, "/records", user="user1")["records"]} == {"user1"}


def test_a_record_is_found_by_its_key(world: FlaskClient) -> None:
    listed = get(world, "/records", limit=1)["records"][0]
    assert get(world, f"/records/{listed['key']}") == listed
    assert ask(world, "/records/build:none").status_code == 404


PAGED = [
    ("/records", "records"),
    ("/events", "events"),
    ("/notifications", "notifications"),
    ("/deliveries", "deliveries"),
]


@pytest.mark.parametrize(("path", "field"), PAGED)
def test_pages_of_any_size_show_the_same_rows(world: FlaskClient, path: str, field: str) -> None:
    everything = get(world, path, limit=500)[field]
    assert len(everything) > 1
    assert [walk(world, path, field, limit) for limit in (1, 2, 3)] == [everything] * 3


def test_alerts_tell_state_and_last_words_those_that_fire_first(world: FlaskClient) -> None:
    told = get(world, "/alerts")["alerts"]
    assert [row["name"] for row in told if row["state"] == "firing"][:1] == ["awb"]
    first = told[0]
    assert (first["name"], first["level"], first["announcement"]["level"]) == ("awb", "120%", "120%")
    assert first["announcement"]["headline"]
    assert first["acknowledged_by"] is None
    assert {"awb", "forecast-awb", "ai_governance_seats"} <= {row["name"] for row in told}


def test_events_tell_what_led_to_what(world: FlaskClient) -> None:
    told = [row for row in get(world, "/events")["events"] if row["alert"] == "awb"]
    assert [(row["level"], row["previous"], row["reason"]) for row in told] == [
        ("120%", "75%", "escalated"),
        ("75%", None, "first"),
    ]
    sent = {row["id"] for row in get(world, "/notifications")["notifications"]}
    assert {name for row in told for name in row["notifications"]} <= sent


def test_messages_tell_attempts_errors_and_times(world: FlaskClient) -> None:
    told = get(world, "/notifications")["notifications"]
    assert [(row["state"], row["error"]) for row in told[:2]] == [
        ("failed", "Slack: no_service"),
        ("pending", "Slack: 500"),
    ]
    assert all(row["decided_at"].endswith("Z") for row in told)
    assert told == sorted(told, key=lambda row: row["decided_at"], reverse=True)


def test_deliveries_are_listed_without_payloads_and_shown_with_what_was_kept(world: FlaskClient) -> None:
    rows = get(world, "/deliveries")["deliveries"]
    assert [row["message_id"] for row in rows][:2] == ["odd", "m9"]
    assert all(row["payload"] is None for row in rows)
    shown = get(world, "/deliveries/m9")
    assert shown["received_at"] == "2030-05-17T09:00:00Z"
    assert shown["payload"]["notification_name"] == "Task Resumed"


def test_reconcile_tells_the_last_pass_and_the_drift_with_its_causes(world: FlaskClient) -> None:
    told = get(world, "/reconcile")
    assert (told["configured"], told["reconciled_at"]) == (True, "2030-05-17T11:50:00Z")
    assert told["drift"] == {"at": "2030-05-17T11:00:00Z", "counted": 10, "actual": 12, "drift": -2}
    assert "v2.28.0" in told["drift_causes"][0]


def test_queues_and_receivers_are_reported_without_secrets(world: FlaskClient) -> None:
    queues = get(world, "/queues")["queues"]
    assert {row["name"] for row in queues} == set(jobqueue.QUEUES)
    answer = ask(world, "/receivers")
    assert answer.get_json() == {"receivers": [{"name": "slack", "kind": "slack"}], "problems": [], "dry_run": False}


TAGGED = ["/usage", "/records", "/alerts", "/events", "/periods", "/forecast", "/coder", "/silences", "/receivers"]


@pytest.mark.parametrize("path", TAGGED)
def test_an_answer_that_is_still_right_is_not_sent_again(world: FlaskClient, path: str) -> None:
    first = ask(world, path)
    tag = first.headers["ETag"]
    assert (tag.startswith('W/"'), first.headers["Cache-Control"]) == (True, "private, no-cache")
    again = ask(world, path, {"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert ask(world, path, {"If-None-Match": 'W/"other"'}).data == first.data


def test_the_tag_stays_while_only_the_clock_moves(world: FlaskClient) -> None:
    first = ask(world, "/usage")
    with time_machine.travel(NOON.replace(second=30), tick=False):
        later = ask(world, "/usage")
    assert first.get_json()["as_of"] != later.get_json()["as_of"]
    assert first.headers["ETag"] == later.headers["ETag"]


@pytest.mark.parametrize("path", ["/deliveries/m9", "/queues"])
def test_what_may_hold_payloads_is_kept_by_no_cache(world: FlaskClient, path: str) -> None:
    answer = ask(world, path)
    assert (answer.headers["Cache-Control"], "ETag" in answer.headers) == ("no-store", False)


WRONG = [
    ("/usage", {"periode": "2030-05-01"}, "There is no `periode` (did you mean “period”?)."),
    ("/usage", {"period": "May"}, "`period` must be a UTC day such as 2030-05-17."),
    ("/usage", {"period": "2030-02-30"}, "`period` must be a UTC day such as 2030-05-17."),
    ("/usage", {"start": "2030-02-01"}, "There is no `start`."),
    ("/records", {"start": "2030-02-01"}, "There is no `start` (did you mean “state”?)."),
    ("/records", {"state": "prooved"}, "`state`: Input should be 'provisional' or 'proved'."),
    ("/records", {"user": ""}, "`user`: String should have at least 1 character."),
    ("/records", {"from": "2030-05-17T12:00:00"}, "`from` must be a day such as"),
    ("/records", {"from": "1893456000"}, "`from` must be a day such as"),
    ("/records", {"to": "2030-05-17T12:00:00 02:00"}, "`to` must be a day such as"),
    ("/records", {"limit": ["1", "2"]}, "`limit` is given twice."),
    (
        "/records",
        {"cursor": "MS4wfg"},
        "`cursor` is not a cursor of this API; leave it out to start at the first page.",
    ),
    ("/records", {"limit": "0", "state": "x"}, "`limit` must be a number from 1 to 500. `state`:"),
    ("/coder", {"limit": "1"}, "There is no `limit`."),
    ("/openapi.json", {"deployment": "default"}, "There is no `deployment`."),
]


@pytest.mark.parametrize(("path", "query", "told"), WRONG)
def test_a_wrong_query_is_refused_with_the_remedy(
    world: FlaskClient, path: str, query: dict[str, Any], told: str
) -> None:
    answer = ask(world, path, **query)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert answer.get_json()["detail"].startswith(told)
    assert answer.get_json()["title"] == "Bad Request"


UNROUTED = [
    ("GET", "/api/v1/nothing", 404),
    ("GET", "/api/v1/", 404),
    ("GET", "/api/v1/usage/", 404),
    ("POST", "/api/v1/usage", 405),
    ("DELETE", "/api/v1/silences", 405),
    ("PUT", "/api/v1/silences/1", 405),
    ("TRACE", "/api/v1/records", 405),
]


@pytest.mark.parametrize(("method", "path", "code"), UNROUTED)
def test_what_there_is_not_is_a_problem_too(world: FlaskClient, method: str, path: str, code: int) -> None:
    answer = world.open(path, method=method, headers=token())
    assert (answer.status_code, answer.content_type) == (code, "application/problem+json")
    assert answer.get_json()["status"] == code
    assert ("Allow" in answer.headers) == (code == 405)


def test_the_document_is_served(world: FlaskClient) -> None:
    answer = ask(world, "/openapi.json")
    assert (answer.get_json()["openapi"], answer.headers["Cache-Control"]) == ("3.1.0", "private, max-age=300")


def test_head_is_get_without_the_body(world: FlaskClient) -> None:
    answer = world.head("/api/v1/usage", headers=token())
    assert (answer.status_code, answer.data) == (200, b"")
