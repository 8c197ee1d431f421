"""Settings of single deployments, from the POST to the message."""

import json
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app.config.load import Config
from app.store.store import Store
from app.web.factory import create_app
from tests.conftest import SECRET, RedisServer, make_config
from tests.web.make import basic, count_all, notification

OWN = "the secret of team a"
TABLES: dict[str, Any] = {
    "team-a": {"webhook_secret": OWN, "limit": 2, "thresholds": ["50%"], "email_to": ["a@example.com"]},
    "team-b": {"limit": 3, "thresholds": ["100%"], "email_to": []},
}
MAIL = {"smtp_url": "smtp://mail.example.com:25", "email_from": "awb@example.com", "email_to": "ops@example.com"}


@pytest.fixture
def several(redis_server: RedisServer, connection: "redis.Redis") -> Config:
    public = "http://127.0.0.1:8787"
    return make_config(redis_server.url, deployment_settings=json.dumps(TABLES), **MAIL, public_url=public)


@pytest.fixture
def client(several: Config, connection: "redis.Redis") -> FlaskClient:
    return create_app(several, connection).test_client()


def post(client: FlaskClient, path: str, number: int, secret: str) -> int:
    return client.post(path, data=notification(f"m{number}", number), headers=basic(secret)).status_code


def test_each_path_takes_the_secret_of_its_deployment_alone(client: FlaskClient) -> None:
    assert post(client, "/v1/webhook/team-a", 1, OWN) == 202
    assert post(client, "/v1/webhook/team-a", 2, SECRET) == 401
    assert post(client, "/v1/webhook", 3, OWN) == 401
    assert post(client, "/v1/webhook/team-b", 4, OWN) == 401
    assert post(client, "/v1/webhook/team-b", 5, SECRET) == 202


def test_limit_thresholds_and_receivers_are_those_of_the_deployment(
    client: FlaskClient, several: Config, connection: "redis.Redis"
) -> None:
    for number in range(2):
        assert post(client, "/v1/webhook/team-a", number, OWN) == 202
        assert post(client, "/v1/webhook/team-b", 10 + number, SECRET) == 202
        assert post(client, "/v1/webhook", 20 + number, SECRET) == 202
    count_all(connection, several)
    limits = {
        name: client.get(f"/api/v1/usage?deployment={name}").get_json()["limit"]
        for name in ("default", "team-a", "team-b")
    }
    assert limits == {"default": 1000, "team-a": 2, "team-b": 3}
    sent = {name: Store(connection, name).outbox.history() for name in ("default", "team-a", "team-b")}
    assert [row["receiver"] for row in sent["team-a"]] == ["email:a@example.com"]
    assert (sent["team-b"], sent["default"]) == ([], [])
    # Its link leads to the pages of this deployment.
    named = connection.hgetall(f"awb:v1:team-a:notification:{sent['team-a'][0]['id']}")
    assert b"http://127.0.0.1:8787/?deployment=team-a" in b"".join(named.values())
    page = client.get("/?deployment=team-a").get_data(as_text=True)
    assert "of 2" in page
