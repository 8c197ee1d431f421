"""A pass over Coder's API learns when its token ends, and admins are told in time."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine

from app.pipeline.passes import reconcile
from app.store.alert.outbox import Outbox
from app.store.coder.state import CoderState
from app.store.store import Store
from tests.cli.codersays import DENIED, FAILED, KEY, MADE, MISSING, TOKEN, YEAR, key, made_up
from tests.conftest import RedisServer, make_config

DEPLOYMENT = "default"
RECORD = f"/users/me/keys/{KEY}"
LISTINGS = {"/workspaces": (200, {"workspaces": [], "count": 0}), "/tasks": (200, {"tasks": [], "count": 0})}
ENDS = MADE + YEAR


@pytest.fixture
def look(connection: "redis.Redis", redis_server: RedisServer) -> Any:
    """Make a pass at a moment, with an answer about the token; return the headlines of what was announced."""

    def run(at: datetime, answer: tuple[int, Any]) -> list[str]:
        one = made_up("v2.31.9 template-admin and auditor").but({**LISTINGS, RECORD: answer})
        outbox = Outbox(connection, DEPLOYMENT)
        before = len(outbox.history(limit=100))
        with one.serve() as url, time_machine.travel(at, tick=False):
            slack = "https://hooks.slack.com/services/T1/B1/x"
            config = make_config(redis_server.url, coder_url=url, coder_token=TOKEN, slack_webhook_url=slack)
            listed = reconcile(Store(connection, DEPLOYMENT), config, 1)
        assert listed is not None
        assert listed.failure is None
        rows = outbox.history(limit=100)
        return [row["alert"] for row in rows[: len(rows) - before]]

    return run


def ends_at(connection: "redis.Redis") -> datetime | None:
    return CoderState(connection, DEPLOYMENT).moment("token_ends_at")


def record(expires: datetime = ENDS) -> tuple[int, Any]:
    return 200, key(YEAR, expires=expires)


def test_a_token_that_use_does_not_extend_is_reported_once_seven_days_before_it_ends(look: Any) -> None:
    assert look(ENDS - timedelta(days=8), record()) == []
    assert look(ENDS - timedelta(days=7), record()) == [f"notice-token-ends-{ENDS:%Y-%m-%d}"]
    assert look(ENDS - timedelta(days=6), record()) == []


def test_a_token_that_use_extends_is_never_reported(look: Any, connection: "redis.Redis") -> None:
    week = timedelta(hours=168)
    for day in range(3):
        at = MADE + timedelta(days=day)
        assert look(at, (200, key(week, created=MADE, expires=at + week))) == []
        assert ends_at(connection) is None


def test_a_new_token_ends_the_notice(look: Any, connection: "redis.Redis") -> None:
    at = ENDS - timedelta(days=3)
    assert len(look(at, record())) == 1
    assert look(at, (200, key(YEAR, created=at))) == []
    assert ends_at(connection) is None
    assert len(look(at, record())) == 1


@pytest.mark.parametrize(("answer", "kept"), [(FAILED, True), (DENIED, False), (MISSING, False)])
def test_what_is_known_holds_until_coder_answers_or_shows_the_token_no_more(
    look: Any, connection: "redis.Redis", answer: tuple[int, Any], kept: bool
) -> None:
    at = ENDS - timedelta(days=30)
    look(at, record())
    assert ends_at(connection) == ENDS
    look(at, answer)
    assert (ends_at(connection) == ENDS) is kept
