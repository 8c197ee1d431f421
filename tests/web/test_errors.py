"""Errors are answered in one place, in the form that whoever asks can read."""

import pytest
import redis
from flask.testing import FlaskClient

from app.config.load import Config
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.web.make import basic, notification

PAGE, PROBLEM, JSON = "text/html; charset=utf-8", "application/problem+json", "application/json"
FORMS = [
    ("/nothing", PAGE),
    ("/queues/nothing/at/all", PAGE),
    ("/api/v1/nothing", PROBLEM),
    ("/metrics/nothing", PROBLEM),
    ("/v1/nothing", JSON),
    ("/healthz/nothing", JSON),
]
STRANGER = {"REMOTE_ADDR": "203.0.113.9"}


@pytest.mark.parametrize(("path", "form"), FORMS)
def test_what_is_not_there_is_said_in_the_form_of_its_path(client: FlaskClient, path: str, form: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content_type) == (404, form)
    assert "Not Found" in answer.text


@pytest.mark.parametrize(("path", "form"), [("/", PAGE), ("/queues", PAGE), ("/api/v1/usage", PROBLEM)])
def test_without_redis_each_form_says_so_and_when_to_ask_again(config: Config, path: str, form: str) -> None:
    answer = create_app(config, connect("unix:///nowhere/redis.sock")).test_client().get(path)
    assert (answer.status_code, answer.content_type, answer.headers["Retry-After"]) == (503, form, "10")
    assert "Redis is unreachable" in answer.text


@pytest.mark.parametrize("path", ["/nothing", "/records", "/records/"])
def test_an_error_names_no_deployment_to_those_who_are_not_let_in(
    client: FlaskClient, connection: "redis.Redis", path: str
) -> None:
    assert client.post("/v1/webhook/emea-west", headers=basic(), data=notification()).status_code == 202
    assert "emea-west" in client.get("/").text
    answer = client.get(path, environ_base=STRANGER)
    assert answer.status_code in (403, 404)
    assert "emea-west" not in answer.text


def test_an_error_of_a_page_has_the_frame_for_those_who_were_let_in(client: FlaskClient) -> None:
    answer = client.get("/records/none")
    assert (answer.status_code, "<nav" in answer.text) == (404, True)


def test_a_method_that_a_page_has_not_is_answered_with_those_it_has(client: FlaskClient) -> None:
    answer = client.delete("/records")
    assert (answer.status_code, "GET" in answer.headers["Allow"]) == (405, True)
