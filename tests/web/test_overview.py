"""The overview of all deployments, and who may see which."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app import clock
from app.config.load import Config
from app.core.access.people import token_digest
from app.store.store import Store
from app.web.factory import create_app
from tests.conftest import RedisServer, make_config
from tests.web.guarded import HASHES, OPEN, PASSWORDS, TOKENS
from tests.web.make import basic, count_all, notification

OWN = {name: f"awb_of_{name}" for name in ("team-a", "team-b")}
TABLES: dict[str, Any] = {
    "team-a": {
        "limit": 2,
        "api_tokens": [f"viewer:{token_digest(OWN['team-a'])}"],
        "feed_token": "feed token of a, long",
    },
    "team-b": {"limit": 100, "api_tokens": [f"admin:{token_digest(OWN['team-b'])}"]},
    "team-c": {"limit": 4, "logins": f"cleo:admin:{HASHES['admin']}"},
    "silent": {"limit": 9},
}
NAMES = ["team-a", "team-c", "team-b", "default", "silent"]


@pytest.fixture
def several(redis_server: RedisServer) -> Config:
    access = {**OPEN, "trust_loopback": "never", "feed_token": "feed token of all, long"}
    return make_config(redis_server.url, deployment_settings=json.dumps(TABLES), thresholds="75%", **access)


@pytest.fixture
def client(several: Config, connection: "redis.Redis") -> FlaskClient:
    """Return pages after deliveries: team-a is over its limit, team-c past a threshold."""
    client = create_app(several, connection).test_client()
    for deployment, number in (("team-a", 3), ("team-b", 5), ("team-c", 3), ("default", 20)):
        for one in range(number):
            body = notification(f"{deployment}-{one}", one)
            assert client.post(f"/v1/webhook/{deployment}", data=body, headers=basic()).status_code == 202
    count_all(connection, several)
    return client


def log_in(client: FlaskClient, name: str, password: str) -> None:
    page = client.get("/login").get_data(as_text=True)
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"csrf_token": token, "name": name, "password": password, "next": "/"}
    assert client.post("/login", data=form).status_code == 303


def as_(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_all_deployments_are_listed_the_worst_first(client: FlaskClient) -> None:
    found = client.get("/api/v1/deployments", headers=as_(TOKENS["viewer"])).get_json()["deployments"]
    assert [one["name"] for one in found] == NAMES
    worst = found[0]
    assert (worst["used"], worst["limit"], worst["severity"], worst["state"]) == (
        3,
        2,
        "critical",
        "Over the limit by 1",
    )
    assert found[1]["severity"] == "warning"
    assert (found[-1]["used"], found[-1]["last_delivery_at"]) == (0, None)


def test_a_token_of_a_deployment_sees_that_one_alone(client: FlaskClient) -> None:
    own = as_(OWN["team-a"])
    found = client.get("/api/v1/deployments", headers=own).get_json()["deployments"]
    assert [one["name"] for one in found] == ["team-a"]
    assert client.get("/api/v1/usage", headers=own).get_json()["deployment"] == "team-a"
    assert client.get("/api/v1/usage?deployment=team-a", headers=own).status_code == 200
    for path in (
        "/api/v1/usage?deployment=team-b",
        "/api/v1/usage?deployment=default",
        "/api/v1/usage?deployment=none",
        "/api/v1/records?deployment=team-b",
        "/api/v1/audit?deployment=default",
        "/api/v1/usage?deployment=team-a&deployment=team-b",
        "/api/v1/queues",
        "/metrics",
    ):
        assert client.get(path, headers=own).status_code == 403, path


def test_an_admin_of_a_deployment_acts_there_alone(client: FlaskClient, connection: "redis.Redis") -> None:
    until = (clock.now() + timedelta(hours=1)).isoformat()
    body = {"matchers": {"alert": "awb"}, "until": until}
    answers = [
        client.post(f"/api/v1/silences?deployment={name}", json=body, headers=as_(OWN["team-b"])).status_code
        for name in ("team-a", "default")
    ]
    assert answers == [403, 403]
    own = client.post("/api/v1/silences", json=body, headers=as_(OWN["team-b"]))
    assert own.status_code == 201
    assert [len(Store(connection, name).silences.all()) for name in ("team-b", "default", "team-a")] == [1, 0, 0]
    assert client.post("/api/v1/silences", json=body, headers=as_(OWN["team-a"])).status_code == 403


def test_a_login_of_a_deployment_sees_its_pages_and_no_other_name(client: FlaskClient) -> None:
    log_in(client, "cleo", PASSWORDS["admin"])
    for path in ("/", "/deployments", "/records", "/alerts", "/api/docs"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        text = answer.get_data(as_text=True)
        assert "team-c" in text, path
        assert not [name for name in ("team-a", "team-b", "silent") if name in text], path
    for path in (
        "/?deployment=team-a",
        "/?deployment=default",
        "/queues",
        "/queues/quarantine",
        "/wall?deployment=team-b",
    ):
        answer = client.get(path)
        assert answer.status_code == 403, path
        assert not [name for name in ("team-b", "silent") if name in answer.get_data(as_text=True)], path


@pytest.mark.parametrize("feed", ["/badge.svg", "/calendar.ics"])
def test_a_feed_token_of_a_deployment_opens_its_feeds_alone(client: FlaskClient, feed: str) -> None:
    def code(deployment: str, token: str) -> int:
        return client.get(f"{feed}?deployment={deployment}&token={token}").status_code

    assert code("team-a", "feed token of a, long") == 200
    assert code("team-b", "feed token of a, long") != 200
    assert client.get(f"{feed}?token=feed token of a, long").status_code != 200
    assert code("team-b", "feed token of all, long") == 200


def test_the_page_leads_to_each_deployment(client: FlaskClient) -> None:
    log_in(client, "", PASSWORDS["viewer"])
    page = client.get("/deployments").get_data(as_text=True)
    assert re.findall(r'<th scope="row".*?href="/\?deployment=([a-z-]+)"', page) == NAMES
    rows = client.get("/deployments?format=csv").get_data(as_text=True).splitlines()
    assert [row.partition(",")[0] for row in rows] == ["name", *NAMES]
