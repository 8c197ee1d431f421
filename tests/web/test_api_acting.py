"""What admins do by the API: who may, what a body must be, what it does, and that the trail tells of it."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from rq.job import Job
from rq.serializers import JSONSerializer

from app.store.rq import jobqueue
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.conftest import RedisServer
from tests.web import apiworld
from tests.web.apiworld import NOON, get, post, take, token
from tests.web.make import count_all

ACTS: list[tuple[str, str, Any]] = [
    ("POST", "/alerts/awb/acknowledge", {}),
    ("POST", "/silences", {"matchers": {"alert": "awb"}, "until": "2030-06-01T00:00:00Z"}),
    ("DELETE", "/silences/1", None),
    ("POST", "/notifications/test", {"receiver": "slack"}),
    ("POST", "/reconcile", None),
]


@pytest.fixture
def app(connection: "redis.Redis", redis_server: RedisServer) -> Iterator[Flask]:
    """Return an application whose alert `awb` is at 75%."""
    config = apiworld.settings(redis_server.url)
    app = create_app(config, connection)
    with time_machine.travel(NOON, tick=False):
        take(app.test_client(), range(6))
        count_all(connection, config)
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def trail(client: FlaskClient) -> list[tuple[str, str]]:
    return [(row["action"], row["detail"]) for row in get(client, "/audit")["audit"]]


def silence(client: FlaskClient, **more: Any) -> Any:
    return post(client, "/silences", {"matchers": {"level": "75%"}, "until": "2030-05-18T00:00:00Z", **more})


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
@pytest.mark.parametrize("headers", [token("viewer"), {"Authorization": "Bearer wrong"}, {}])
def test_only_an_admin_acts(
    client: FlaskClient, connection: "redis.Redis", method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    before = connection.dbsize()
    answer = client.open(f"/api/v1{path}", method=method, json=body, headers=headers)
    assert answer.status_code in (401, 403)
    assert answer.content_type == "application/problem+json"
    assert connection.dbsize() == before


def test_on_this_machine_a_page_that_knows_the_sessions_token_acts_and_no_other(app: Flask) -> None:
    client = app.test_client()
    with client.session_transaction() as session:
        session["csrf_token"] = "the token of the page"
    assert client.post("/api/v1/alerts/awb/acknowledge").status_code == 403
    told = client.post("/api/v1/alerts/awb/acknowledge", headers={"X-CSRF-Token": "the token of the page"})
    assert (told.status_code, told.get_json()["new"]) == (200, True)


def test_an_alert_is_acknowledged_once(client: FlaskClient) -> None:
    told = [post(client, "/alerts/awb/acknowledge").get_json() for _ in range(2)]
    assert told == [{"alert": "awb", "level": "75%", "new": new} for new in (True, False)]
    alert = get(client, "/alerts")["alerts"][0]
    assert alert["acknowledged_by"].startswith("token ")
    assert alert["acknowledged_at"] == "2030-05-17T12:00:00Z"
    assert get(client, "/events")["events"][0]["reason"] == "acknowledged"
    assert trail(client)[0] == ("acknowledge alert", "awb 75%")


def test_a_level_that_does_not_stand_is_not_acknowledged(client: FlaskClient) -> None:
    answer = post(client, "/alerts/awb/acknowledge", {"level": "90%"})
    assert (answer.status_code, answer.get_json()["detail"]) == (409, "This alert is at 75% now, no longer at 90%.")
    assert post(client, "/alerts/nothing/acknowledge").status_code == 404
    assert trail(client) == []


def test_a_silence_is_made_shown_and_ended(client: FlaskClient) -> None:
    made = silence(client, comment="We know.")
    shown = made.get_json()
    assert (made.status_code, made.headers["Location"]) == (201, f"/api/v1/silences/{shown['id']}")
    assert (shown["matchers"], shown["ends_at"], shown["comment"], shown["active"]) == (
        {"level": "75%"},
        "2030-05-18T00:00:00Z",
        "We know.",
        True,
    )
    assert get(client, "/silences") == {"silences": [shown]}
    assert get(client, f"/silences/{shown['id']}") == shown
    assert get(client, "/alerts")["alerts"][0]["silence"] == shown["id"]
    for _ in range(2):
        ended = client.delete(f"/api/v1/silences/{shown['id']}", headers=token())
        assert (ended.status_code, ended.get_json()["active"]) == (200, False)
    assert get(client, "/silences")["silences"][0]["ended_by"] == shown["author"]
    assert [action for action, _ in trail(client)] == ["end silence", "end silence", "add silence"]
    assert client.delete("/api/v1/silences/none", headers=token()).status_code == 404


def test_the_same_key_makes_no_second_silence(client: FlaskClient) -> None:
    ids = {silence(client, key="from the pipeline").get_json()["id"] for _ in range(2)}
    assert len(ids) == 1
    assert len(get(client, "/silences")["silences"]) == 1


BODIES: list[tuple[dict[str, Any], str]] = [
    ({"matchers": {}}, "`matchers`"),
    ({"matchers": {"levle": "x"}}, "`matchers.levle"),
    ({"matchers": {"level": ""}}, "`matchers.level`"),
    ({"matchers": ["level"]}, "`matchers`"),
    ({"until": "tomorrow"}, "`until`"),
    ({"until": "2030-05-18T00:00:00"}, "`until`"),
    ({"until": "2030-05-17T12:00:00Z"}, "the end is in the past"),
    ({"until": "2032-05-17T12:00:00Z"}, "more than 400 days away"),
    ({"comment": 5}, "`comment`"),
    ({"comment": "x" * 501}, "`comment`"),
    ({"comment": None}, "`comment`"),
    ({"coment": "x"}, "There is no `coment` (did you mean “comment”?)."),
]


@pytest.mark.parametrize(("change", "told"), BODIES)
def test_a_wrong_body_is_refused_with_the_place(client: FlaskClient, change: dict[str, Any], told: str) -> None:
    answer = silence(client, **change)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert told in answer.get_json()["detail"]
    assert get(client, "/silences") == {"silences": []}


RAW: list[tuple[bytes, str | None, int]] = [
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b"\xff", "application/json", 400),
    (b"[" * 30_000, "application/json", 400),
    (b'{"receiver": "\\ud800"}', "application/json", 400),
    (b"[]", "application/json", 422),
    (b"{}", "application/json", 422),
    (b'{"receiver": "pigeon"}', "application/json", 422),
    (b'{"receiver": "slack"}', "text/plain", 415),
    (b'{"receiver": "slack"}', None, 415),
    (b'{"receiver": "slack", "x": "' + b"y" * 65_536 + b'"}', "application/json", 413),
    (b'{"receiver": "slack"}', "application/json; charset=utf-8", 202),
]


@pytest.mark.parametrize(("body", "content_type", "code"), RAW)
def test_a_body_is_json_of_at_most_64_kilobytes(
    client: FlaskClient, body: bytes, content_type: str | None, code: int
) -> None:
    answer = client.post("/api/v1/notifications/test", data=body, content_type=content_type, headers=token())
    assert answer.status_code == code, answer.get_json()
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_test_message_is_queued_once_a_second(client: FlaskClient, connection: "redis.Redis") -> None:
    before = connection.llen(jobqueue.queue_key(jobqueue.NOTIFICATIONS))
    told = [post(client, "/notifications/test", {"receiver": "slack"}) for _ in range(2)]
    assert [answer.status_code for answer in told] == [202, 202]
    assert connection.llen(jobqueue.queue_key(jobqueue.NOTIFICATIONS)) == before + 1  # type: ignore[operator]
    newest = [row for row in get(client, "/notifications")["notifications"] if row["reason"] == "test"]
    assert [(row["id"], row["receiver"], row["state"]) for row in newest] == [
        (told[0].get_json()["queued"], "slack", "pending")
    ]
    assert ("send test message", "slack") in trail(client)


def test_a_pass_is_queued_at_most_once_a_minute(client: FlaskClient, connection: "redis.Redis") -> None:
    job_id = post(client, "/reconcile").get_json()["queued"]
    waiting: Any = connection.lrange(jobqueue.queue_key(jobqueue.MAINTENANCE), 0, -1)
    assert [job.decode() for job in waiting] == [job_id]
    job = Job.fetch(job_id, connection=connection, serializer=JSONSerializer)
    assert job.func_name == jobqueue.RECONCILE
    # Whether it has run meanwhile or not.
    for done in (False, True):
        if done:
            connection.delete(f"rq:job:{job_id}", jobqueue.queue_key(jobqueue.MAINTENANCE))
        again = post(client, "/reconcile")
        assert (again.status_code, again.headers["Retry-After"]) == (429, "60")
    with time_machine.travel(NOON.replace(minute=1), tick=False):
        assert post(client, "/reconcile").status_code == 202


def test_without_coders_api_there_is_nothing_to_reconcile(connection: "redis.Redis", redis_server: RedisServer) -> None:
    config = apiworld.settings(redis_server.url, coder_url="", coder_token="")
    answer = post(create_app(config, connection).test_client(), "/reconcile")
    assert (answer.status_code, answer.content_type) == (409, "application/problem+json")


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
def test_a_deployment_that_nobody_knows_is_given_nothing(
    client: FlaskClient, connection: "redis.Redis", method: str, path: str, body: Any
) -> None:
    before = connection.dbsize()
    answer = client.open(f"/api/v1{path}?deployment=nobody", method=method, json=body, headers=token())
    assert answer.status_code in (404, 409)
    assert connection.dbsize() == before


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
def test_without_redis_nothing_is_done_and_said_so(method: str, path: str, body: Any) -> None:
    client = create_app(apiworld.settings("unix:///nowhere"), connect("unix:///nowhere")).test_client()
    answer = client.open(f"/api/v1{path}", method=method, json=body, headers=token())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert answer.content_type == "application/problem+json"
