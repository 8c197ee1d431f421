"""The OpenAPI document is true: of every route, every answer, and whatever is sent."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import schemathesis
import time_machine
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CheckContext
from schemathesis.specs.openapi import checks as openapi_checks

from app.store.server.connection import connect
from app.web.api.call import Operation
from app.web.api.openapi import document
from app.web.api.table import OPERATIONS
from app.web.factory import create_app
from tests.conftest import RedisServer
from tests.web import apiworld
from tests.web.apiworld import NOON, fill, token

#: What is sent need not be right; what comes back must be.
CHECKS = [
    schemathesis.checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
]
EXAMPLES = 16


@pytest.fixture(scope="module")
def world(redis_server: RedisServer) -> Iterator[tuple[Flask, "redis.Redis"]]:
    connection = connect(redis_server.url)
    connection.flushall()
    config = apiworld.settings(redis_server.url)
    app = create_app(config, connection)
    fill(app, config, connection)
    yield app, connection
    connection.close()


@pytest.fixture(scope="module")
def schema(world: tuple[Flask, "redis.Redis"]) -> Any:
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", world[0], headers=token())


@dataclass(frozen=True)
class Known:
    """What exists, for what is made up hardly ever does."""

    path: dict[str, list[str]]
    query: dict[str, list[str]]
    body: dict[str, list[Any]]

    def put_into(self, case: Any, draw: Any) -> None:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = draw(st.sampled_from(self.path[name]))
        (case.query or {}).pop("deployment", None)
        for sent, existing in ((case.query, self.query), (case.body, self.body)):
            for name in existing if isinstance(sent, dict) else ():
                if name in sent:
                    sent[name] = draw(st.sampled_from(existing[name]))


@pytest.fixture(scope="module")
def known(world: tuple[Flask, "redis.Redis"]) -> Known:
    client = world[0].test_client()
    pages = [apiworld.get(client, path, limit=1) for path in ("/records", "/events", "/notifications", "/deliveries")]
    assert all(page["next"] for page in pages)
    return Known(
        path={
            "key": [row["key"] for row in pages[0]["records"]],
            "message_id": ["m1", "odd"],
            "name": ["awb"],
            "id": [row["id"] for row in apiworld.get(client, "/silences")["silences"]],
        },
        query={
            "target": ["forward:sink"],
            "cursor": [page["next"] for page in pages],
            "period": ["2030-05-01", "2030-04-30", "2030-01-01"],
        },
        body={
            "until": ["2030-06-01T00:00:00+02:00"],
            "receiver": ["slack"],
            "level": ["", "100%"],
            "target": ["relay", "forward:other"],
        },
    )


def no_more_than_promised(ctx: CheckContext, response: Any, case: Any) -> bool | None:
    """Hold an answer against its model, which takes no field that the document does not name."""
    del ctx
    operation = next(
        (one for one in OPERATIONS if (one.method, one.path) == (case.method.upper(), case.operation.path)), None
    )
    if operation and response.status_code == operation.status:
        operation.answer.model_validate_json(response.content)
    return None


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_whatever_is_sent_the_answer_is_as_the_document_says(
    schema: Any, known: Known, operation: Any, mode: str
) -> None:
    described = schema[operation.path][operation.method]
    strategy = described.as_strategy(generation_mode=schemathesis.GenerationMode(mode))

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, exists=st.booleans(), data=st.data())
    def conforms(case: Any, exists: bool, data: st.DataObject) -> None:
        if exists and mode == "positive":
            known.put_into(case, data.draw)
        with time_machine.travel(NOON, tick=True):
            case.call_and_validate(headers=token(), checks=CHECKS, additional_checks=[no_more_than_promised])

    conforms()


#: Bodies of the operations that need one.
BODIES: dict[str, Any] = {
    "add_silence": {"matchers": {"level": "90%"}, "until": "2030-06-01T00:00:00Z"},
    "send_test": {"receiver": "slack"},
    "replay_relay": {"target": "forward:sink"},
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_every_operation_succeeds_with_what_its_schema_says(schema: Any, known: Known, operation: Operation) -> None:
    described = schema[operation.path][operation.method]
    body = {"body": BODIES[operation.name], "media_type": "application/json"} if operation.name in BODIES else {}
    path = {name: known.path[name][0] for name in re.findall(r"{(\w+)}", operation.path)}
    # Later than all that other tests may have queued within its minute.
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        answer = described.Case(path_parameters=path, headers=token(), **body).call()
    assert answer.status_code == operation.status, answer.text
    described.validate_response(answer)
    operation.answer.model_validate_json(answer.content)


def test_every_route_is_in_the_document_and_nothing_else(world: tuple[Flask, "redis.Redis"]) -> None:
    routes = {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule.removeprefix("/api/v1")))
        for rule in world[0].url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {(method.upper(), path) for path, item in document()["paths"].items() for method in item}
    assert described == routes


def test_the_document_is_valid_openapi_3_1(schema: Any) -> None:
    schema.validate()
    assert document()["openapi"] == "3.1.0"


def test_operations_have_names_of_their_own_and_tell_what_they_are_for() -> None:
    operations = [one for item in document()["paths"].values() for one in item.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"] for one in operations)


def test_every_schema_is_used_and_every_reference_leads_somewhere() -> None:
    text = str(document())
    used = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert used == set(document()["components"]["schemas"])


def test_every_path_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    missing = [
        f"{method.upper()} {path}"
        for path, item in document()["paths"].items()
        for method in item
        if f"`{method.upper()} /api/v1{path}`" not in text
    ]
    assert missing == []
