"""A deployment with data of every kind for the API, and clients with different rights."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import redis
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.config.load import Config
from app.core.access.people import token_digest
from app.core.coder.shapes import BuildInfo, Entitlements
from app.core.count.meter import AWB, RecordState
from app.core.limit.drift import DriftPoint
from app.pipeline.operate.silence import create_silence
from app.store.alert.outbox import Outbox
from app.store.coder.state import CoderState
from app.store.count.ledger import Ledger
from app.store.relay.relays import FAILED
from app.store.store import Store
from tests.conftest import make_config
from tests.store.make import put, record
from tests.web.make import basic, count_all, notification

NOON: Final = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
TOKENS: Final = {"admin": "awb_admins", "viewer": "awb_viewers"}
SETTINGS: Final[dict[str, Any]] = {
    "limit": 8,
    "period": "monthly",
    "slack_webhook_url": "https://hooks.slack.com/services/T0/B0/secret",
    "coder_url": "https://coder.example.com",
    "coder_token": "a-token-of-the-tests",
    "api_tokens": ",".join(f"{role}:{token_digest(token)}" for role, token in TOKENS.items()),
    "trust_loopback": "always",
    "forward": '[{"name": "sink", "url": "http://127.0.0.1:1/hook", "allow_private": true}]',
    "relay_secret": "a-relay-secret-of-the-tests",
}


def settings(redis_url: str, **more: Any) -> Config:
    return make_config(redis_url, **{**SETTINGS, **more})


def token(role: str = "admin") -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"}


def post(client: FlaskClient, path: str, body: Any = None, role: str = "admin", **more: Any) -> TestResponse:
    return client.post(f"/api/v1{path}", json=body, headers=token(role), **more)


def get(client: FlaskClient, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1{path}", query_string=query, headers=token("viewer"))
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def take(client: FlaskClient, numbers: range) -> None:
    for number in numbers:
        body = notification(f"m{number}", number, user_username=f"user{number % 3}")
        assert client.post("/v1/webhook", headers=basic(), data=body).status_code == 202


def fill(app: Flask, config: Config, connection: "redis.Redis") -> None:
    """Let a month of work and a little trouble have happened by noon of 17 May 2030."""
    client = app.test_client()
    old = [record(f"build:{n}", at=NOON.timestamp() - n * 86_400, state=RecordState.PROVED) for n in range(40, 90)]
    put(Ledger(connection, "default", AWB), "w1", old)
    for hour, numbers in enumerate((range(4), range(4, 7), range(7, 10))):
        with time_machine.travel(NOON - timedelta(hours=5 - hour), tick=False):
            take(client, numbers)
            count_all(connection, config)
    with time_machine.travel(NOON, tick=False):
        create_silence(Store(connection, "default"), {"level": "90%"}, NOON + timedelta(days=1), "ada", "We know.")
        client.post("/v1/webhook", headers=basic(), data=notification("odd", template="new", labels={}))
        count_all(connection, config)
    relays = Store(connection, "default").relays
    relays.end("forward:sink", "m1", FAILED, "it answered 422", NOON, replayable=True)
    state = CoderState(connection, "default")
    state.save_licence(_entitlements(), BuildInfo(version="v2.29.1+abc"), NOON)
    state.add_drift(DriftPoint(NOON - timedelta(hours=3), 7, 9))
    state.add_drift(DriftPoint(NOON - timedelta(hours=1), 10, 12))
    state.note(reconciled_at=NOON.timestamp() - 600)
    outbox = Outbox(connection, "default")
    first, second = outbox.history(2)
    outbox.mark_failed(first["id"], "Slack: no_service")
    outbox.mark_retry(second["id"], "Slack: 500", NOON.timestamp() + 60)


def _entitlements() -> Entitlements:
    feature = {"entitlement": "entitled", "enabled": True}
    month = {"start": "2030-05-01T00:00:00Z", "end": "2030-05-31T23:59:59Z", "issued_at": "2030-04-30T00:00:00Z"}
    counted = {**feature, "limit": 8, "actual": 12, "usage_period": month}
    return Entitlements.model_validate(
        {
            "features": {
                "managed_agent_limit": counted,
                "aibridge": feature,
                "ai_governance_user_limit": {**feature, "limit": 50, "actual": 12},
            },
            "has_license": True,
            "warnings": ["A warning."],
            "refreshed_at": NOON.isoformat(),
        }
    )
