"""A Redis user with no more rights than docs/redis.md asks for (ACL)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from rq.utils import get_version

from app.config.load import Config
from app.core.finding import Result
from app.doctor.examine import examine
from app.store.rq import jobqueue
from app.store.server.connection import connect
from app.store.server.info import server_version
from app.web.factory import create_app
from tests.conftest import RedisServer, make_config
from tests.faults.fleet import documented_rules
from tests.pipeline.streams import messages_of
from tests.web.make import answer, basic, notification
from tests.workers.make import NOTHING, drain, jobs_in
from workers.scheduler import Scheduler

PASSWORD = "a-password-of-the-tests"


@dataclass
class Limited:
    """A server, its admin's connection, and the configuration of a user with few rights."""

    admin: Any
    config: Config
    url: str

    def grant(self, *rules: str) -> None:
        self.admin.execute_command("ACL", "SETUSER", "awb", *rules)


@pytest.fixture
def limited(redis_server: RedisServer, connection: Any) -> Iterator[Limited]:
    url = redis_server.url.replace("unix://", f"unix://awb:{PASSWORD}@")
    config = make_config(url, ai_templates="claude-code-tasks,codex-tasks", forecast_alerts="false")
    built = Limited(connection, config, url)
    built.grant("reset", *documented_rules(PASSWORD))
    yield built
    connection.execute_command("ACL", "DELUSER", "awb")


def findings(limited: Limited) -> dict[str, tuple[Result, str, str]]:
    found = examine(limited.config, connect(limited.url))
    return {one.check: (one.outcome, one.message, one.hint) for one in found if one.check.startswith("redis.")}


def test_the_documented_rights_suffice_for_everything(limited: Limited) -> None:
    connection = connect(limited.url)
    client = create_app(limited.config, connection).test_client()
    assert client.get("/readyz").status_code == 200
    messages = messages_of(7, 60, failures=False)
    for message in messages:
        assert client.post("/v1/webhook", headers=basic(), data=message.body).status_code == 202
    assert answer(client.post("/v1/webhook", headers=basic(), data=b"{")) == (202, "quarantined")
    scheduler = Scheduler(connection, limited.config)
    scheduler.step()
    for name in jobqueue.QUEUES:
        drain(connection, limited.config, name)
    scheduler.rq.stop()
    assert jobs_in(limited.admin) == NOTHING
    assert limited.admin.zcard("awb:v1:default:deliveries") == len(messages)
    for path in ("/", "/queues", "/alerts", "/metrics", "/api/v1/usage"):
        assert client.get(path).status_code == 200, path
    assert findings(limited)["redis.reachable"][0] is Result.OK


def test_a_worker_knows_the_version_without_info(limited: Limited) -> None:
    """RQ falls back to a dequeue that loses jobs when it cannot read the version."""
    connection = connect(limited.url)
    drain(connection, limited.config)
    assert get_version(connection) == tuple(int(part) for part in server_version(limited.admin).split("."))


def test_doctor_names_the_right_to_see_more(limited: Limited) -> None:
    outcome, says, hint = findings(limited)["redis.rights"]
    assert outcome is Result.WARNING
    assert "'info'" in says
    assert "+info" in hint
    limited.grant("+info")
    assert {check: told[0] for check, told in findings(limited).items()} == {
        "redis.reachable": Result.OK,
        "redis.version": Result.OK,
        "redis.persistence": Result.OK,
        "redis.policy": Result.OK,
        "redis.loss": Result.OK,
    }


@pytest.mark.parametrize(
    ("rules", "right"),
    [(("-set",), "the command 'set'"), (("resetkeys", "~rq:*"), "a key")],
    ids=["command", "key"],
)
def test_a_right_that_is_missing_is_named(limited: Limited, rules: tuple[str, ...], right: str) -> None:
    limited.grant(*rules)
    client = create_app(limited.config, connect(limited.url)).test_client()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["redis"]) == (503, f"denying {right}")
    outcome, says, hint = findings(limited)["redis.reachable"]
    assert (outcome, says) == (Result.ERROR, f"Redis is denying {right}")
    assert right in hint


@pytest.mark.parametrize(
    ("rules", "rights"),
    # Redis 7.0 does not say which command a script lacks.
    [(("-hset",), {"the command 'hset'", "a command"}), (("resetkeys", "~awb:*"), {"a key"})],
    ids=["command", "key"],
)
def test_a_right_that_a_script_misses_is_named(limited: Limited, rules: tuple[str, ...], rights: set[str]) -> None:
    limited.grant(*rules)
    client = create_app(limited.config, connect(limited.url)).test_client()
    response = client.post("/v1/webhook", headers=basic(), data=notification())
    assert answer(response) == (503, "unavailable")
    assert response.get_json()["reason"].removeprefix("Redis is denying ") in rights
