"""The HTTP API: usage, records, deliveries; on loopback only."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
import time_machine
from flask.testing import FlaskClient

from app.answers.shape import CUT
from app.config.load import Config
from app.store import keys
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.conftest import RedisServer, make_config
from tests.web.make import basic, count_all, notification

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


@pytest.fixture
def noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def take(client: FlaskClient, numbers: range, path: str = "/v1/webhook") -> None:
    for number in numbers:
        owner = {"user_username": f"user{number % 3}"}
        body = notification(f"m{number}", number, **owner)
        assert client.post(path, headers=basic(), data=body).status_code == 202


def walk(client: FlaskClient, limit: int, **query: str) -> Iterator[list[dict[str, Any]]]:
    for _ in range(60):
        page = client.get("/api/v1/records", query_string={"limit": limit, **query}).get_json()
        yield page["records"]
        if page["next"] is None:
            return
        query["cursor"] = page["next"]
    raise AssertionError("the walk has no end")


def test_usage_has_exactly_these_fields(
    client: FlaskClient, connection: "redis.Redis", config: Config, noon: None
) -> None:
    take(client, range(4))
    count_all(connection, config)
    assert client.get("/api/v1/usage").get_json() == {
        "deployment": "default",
        "meter": "awb",
        "used": 4,
        "limit": 1000,
        "soft_limit": None,
        "percent": 0.4,
        "counted": 4,
        "provisional": 4,
        "gone": False,
        "coder_actual": None,
        "drift": None,
        "mode": "webhook-only",
        "period": {"start": "2025-07-01T00:00:00Z", "end": None},
        "alert": {"state": "ok", "level": None, "since": None},
        "by_user": [
            {"name": "user0", "used": 2},
            {"name": "user1", "used": 1},
            {"name": "user2", "used": 1},
        ],
        "by_template": [{"name": None, "used": 4}],
        "by_organization": [{"name": None, "used": 4}],
        "by_day": [{"day": "2030-05-17", "used": 4}],
        "notes": ["An estimate from notifications alone: usually too low, in some cases too high."],
        "as_of": "2030-05-17T12:00:00Z",
    }


def test_usage_says_which_alert_is_firing(redis_server: RedisServer, connection: "redis.Redis", noon: None) -> None:
    config = make_config(redis_server.url, limit=4, soft_limit=3, period="monthly:17")
    client = create_app(config, connection).test_client()
    take(client, range(5))
    count_all(connection, config)
    usage = client.get("/api/v1/usage").get_json()
    assert (usage["used"], usage["limit"], usage["soft_limit"], usage["percent"]) == (5, 4, 3, 125.0)
    assert usage["period"] == {"start": "2030-05-17T00:00:00Z", "end": "2030-06-17T00:00:00Z"}
    assert usage["alert"] == {"state": "firing", "level": "120%", "since": "2030-05-17T12:00:00Z"}


def test_an_unlimited_deployment_has_no_percentage(redis_server: RedisServer, connection: "redis.Redis") -> None:
    client = create_app(make_config(redis_server.url, limit="unlimited"), connection).test_client()
    usage = client.get("/api/v1/usage").get_json()
    assert (usage["used"], usage["limit"], usage["percent"]) == (0, None, None)


def test_a_deployment_that_never_posted_has_used_nothing(client: FlaskClient, connection: "redis.Redis") -> None:
    usage = client.get("/api/v1/usage?deployment=never-heard-of").get_json()
    assert (usage["deployment"], usage["used"], usage["by_user"], usage["by_day"]) == ("never-heard-of", 0, [], [])
    assert client.get("/api/v1/records?deployment=never-heard-of").get_json() == {"records": [], "next": None}
    assert client.get("/api/v1/notifications?deployment=never-heard-of").get_json() == {
        "notifications": [],
        "next": None,
    }
    assert connection.dbsize() == 0


def test_each_deployment_has_its_own_usage(client: FlaskClient, connection: "redis.Redis", config: Config) -> None:
    take(client, range(3))
    take(client, range(2), "/v1/webhook/eu")
    count_all(connection, config)
    used = {name: client.get(f"/api/v1/usage?deployment={name}").get_json()["used"] for name in ("default", "eu")}
    assert used == {"default": 3, "eu": 2}


def test_a_record_says_what_was_counted_and_why(
    client: FlaskClient, connection: "redis.Redis", config: Config, noon: None
) -> None:
    take(client, range(7, 8))
    count_all(connection, config)
    (record,) = client.get("/api/v1/records").get_json()["records"]
    assert record.pop("reason")
    assert record == {
        "key": record["key"],
        "meter": "awb",
        "state": "provisional",
        "at": "2030-05-17T12:00:00Z",
        "workspace_id": "00000000-0000-4000-8000-000000000007",
        "workspace": "w7",
        "owner": "user1",
        "template": "",
        "organization": "",
        "build_id": None,
        "rule": record["rule"],
        "deliveries": ["m7"],
        "weight": 1,
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 24, 25, 26, 500])
def test_the_cursor_walks_every_record_once(
    client: FlaskClient, connection: "redis.Redis", config: Config, limit: int
) -> None:
    """Ten of the first moment, five of the next, then ten of different ones."""
    for start, many, second in ((0, 10, 0), (10, 5, 1), *((15 + n, 1, 2 + n) for n in range(10))):
        with time_machine.travel(NOON.replace(second=second), tick=False):
            take(client, range(start, start + many))
    count_all(connection, config)
    pages = list(walk(client, limit))
    found = [record["workspace"] for page in pages for record in page]
    assert sorted(found) == sorted(f"w{number}" for number in range(25))
    moments = [record["at"] for page in pages for record in page]
    assert moments == sorted(moments, reverse=True)
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit


def test_records_that_arrive_between_two_pages_shift_nothing(
    client: FlaskClient, connection: "redis.Redis", config: Config
) -> None:
    with time_machine.travel(NOON, tick=False):
        take(client, range(20))
    count_all(connection, config)
    found = []
    for number, page in enumerate(walk(client, 3)):
        found += [record["workspace"] for record in page]
        with time_machine.travel(NOON.replace(minute=number + 1), tick=False):
            take(client, range(100 + number, 101 + number))
        count_all(connection, config)
    assert sorted(found) == sorted(f"w{number}" for number in range(20))


def test_a_hundred_records_are_a_page_unless_asked_otherwise(
    client: FlaskClient, connection: "redis.Redis", config: Config
) -> None:
    take(client, range(101))
    count_all(connection, config)
    page = client.get("/api/v1/records").get_json()
    assert (len(page["records"]), page["next"] is None) == (100, False)


BAD_QUERIES = [
    *(("limit", value) for value in ("0", "-1", "501", "", "ten", "1.5", "1e2", " 1", "٣", "9" * 5000)),
    *(("cursor", value) for value in ("", "x", "~", "1~", "~x", "nan~x", "1_0~x", "inf~x", "1e400~x", " 1~x", "(1~x")),
    *(("deployment", value) for value in ("", "A", "a:b", "a b", "*", "a" * 41)),
]


@pytest.mark.parametrize(("name", "value"), BAD_QUERIES)
def test_a_bad_query_is_said_to_be_one(client: FlaskClient, name: str, value: str) -> None:
    response = client.get("/api/v1/records", query_string={name: value})
    assert (response.status_code, response.content_type) == (400, "application/problem+json")
    told = response.get_json()
    assert told["status"] == 400
    assert f"`{name}`" in told["detail"]


def test_a_delivery_tells_what_became_of_it(client: FlaskClient, connection: "redis.Redis", config: Config) -> None:
    take(client, range(1))
    assert client.get("/api/v1/deliveries/m0").status_code == 404
    count_all(connection, config)
    found = client.get("/api/v1/deliveries/m0").get_json()
    assert (found["message_id"], found["template"], found["workspace"]) == ("m0", "Task Resumed", "w0")
    assert (found["verdict"]["outcome"], found["verdict"]["evidence"]) == ("evidence", "resumed")
    assert found["verdict"]["rule"]
    assert found["verdict"]["reason"]


@pytest.mark.parametrize("message_id", ["unknown", "a:b", "%00", "%0A", "ä", "x" * 3000, "*"])
def test_an_unknown_delivery_is_not_found(client: FlaskClient, message_id: str) -> None:
    response = client.get(f"/api/v1/deliveries/{message_id}")
    assert (response.status_code, response.content_type) == (404, "application/problem+json")


PATHS = ["/api/v1/usage", "/api/v1/records", "/api/v1/deliveries/m0", "/api/v1/notifications"]
ELSEWHERE: dict[str, dict[str, Any]] = {
    "another peer": {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}},
    "another peer by IPv6": {"environ_base": {"REMOTE_ADDR": "2001:db8::7"}},
    "a mapped peer": {"environ_base": {"REMOTE_ADDR": "::ffff:192.0.2.7"}},
    "no peer": {"environ_base": {"REMOTE_ADDR": ""}},
    "a proxy": {"headers": {"X-Forwarded-For": "127.0.0.1"}},
    "a proxy's host": {"headers": {"X-Forwarded-Host": "localhost"}},
    "a proxy of RFC 7239": {"headers": {"Forwarded": "for=127.0.0.1"}},
    "nginx": {"headers": {"X-Real-IP": "127.0.0.1"}},
    "an empty proxy header": {"headers": {"X-Forwarded-For": ""}},
    "a rebound name": {"headers": {"Host": "awb.example.com"}},
    "a rebound name with port": {"headers": {"Host": "awb.example.com:8787"}},
    "a name like loopback": {"headers": {"Host": "127.0.0.1.example.com"}},
    "a name like localhost": {"headers": {"Host": "localhost.example.com"}},
    "half an address": {"headers": {"Host": "[::1"}},
    "a bracket": {"headers": {"Host": "["}},
    "user info": {"headers": {"Host": "localhost@example.com"}},
    "no host": {"headers": {"Host": ""}},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", ELSEWHERE)
def test_from_elsewhere_the_api_is_refused(client: FlaskClient, path: str, how: str) -> None:
    response = client.get(path, **ELSEWHERE[how])
    assert (response.status_code, response.content_type) == (403, "application/problem+json")


HERE = ["localhost", "localhost:8787", "127.0.0.1:8787", "127.9.9.9", "[::1]:8787", "LOCALHOST"]


@pytest.mark.parametrize("host", HERE)
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "127.0.0.9"])
def test_on_loopback_the_api_needs_no_login(client: FlaskClient, host: str, peer: str) -> None:
    response = client.get("/api/v1/usage", headers={"Host": host}, environ_base={"REMOTE_ADDR": peer})
    assert response.status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_without_redis_the_api_says_so(path: str) -> None:
    client = create_app(make_config(), connect("unix:///nowhere")).test_client()
    response = client.get(path)
    assert (response.status_code, response.content_type) == (503, "application/problem+json")
    assert response.get_json()["detail"] == "Redis is unreachable."


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_api_only_reads(client: FlaskClient, connection: "redis.Redis", method: str) -> None:
    for path in PATHS:
        assert client.open(path, method=method).status_code == 405
    assert connection.dbsize() == 0


@pytest.mark.parametrize("depth", [90, 300])
def test_a_delivery_is_shown_however_deeply_its_payload_is_nested(
    client: FlaskClient, connection: "redis.Redis", config: Config, depth: int
) -> None:
    nested: Any = "kept"
    for _ in range(depth):
        nested = {"deeper": [nested]} if isinstance(nested, str) else {"deeper": nested}
    assert client.post("/v1/webhook", headers=basic(), data=notification("m1", 1, data=nested)).status_code == 202
    count_all(connection, config)
    answer = client.get("/api/v1/deliveries/m1")
    assert answer.status_code == 200
    text = json.dumps(answer.get_json()["payload"])
    assert ("kept" in text, CUT in text) == (depth < 100, depth > 100)


EVENT = {
    "change": 1,
    "meter": "awb",
    "scope": "",
    "level": "90%",
    "previous": "",
    "because": "Used.",
    "headline": "Near",
}


@pytest.mark.parametrize("path", ["/api/v1/events", "/alerts"])
@pytest.mark.parametrize("more", [{"kind": "weather", "reason": "thunder", "notifications": []}, {}])
def test_an_event_of_another_version_is_shown(
    client: FlaskClient, connection: Any, path: str, more: dict[str, Any]
) -> None:
    known = {"kind": "threshold", "reason": "first", "used": 9, "limit": 10, "actor": "", "alert": "awb"}
    event = {"at": NOON.timestamp(), **EVENT, **known, **more, "a newer field": 1}
    connection.zadd(keys.alert_events("default"), {json.dumps(event): NOON.timestamp()})
    answer = client.get(path)
    assert answer.status_code == 200
    assert "Near" in answer.text
    assert ("thunder" in answer.text) == bool(more)
