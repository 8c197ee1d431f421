"""Where the API begins: links for programs, and a page for people whose examples hold."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from re import findall

import pytest
from flask import Flask

from app.store.server.connection import connect
from app.web.api.described import Here, groups
from app.web.api.openapi import document
from app.web.api.table import OPERATIONS
from app.web.factory import create_app
from tests.browser.markup import Markup, complaints
from tests.browser.serving import served
from tests.conftest import RedisServer
from tests.web import apiworld
from tests.web.apiworld import TOKENS, token

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
STRANGER = {"REMOTE_ADDR": "203.0.113.9"}
NOW = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def app(redis_server: RedisServer) -> Iterator[Flask]:
    connection = connect(redis_server.url)
    connection.flushall()
    config = apiworld.settings(redis_server.url)
    app = create_app(config, connection)
    apiworld.fill(app, config, connection)
    yield app
    connection.close()


@pytest.mark.parametrize("path", ["/api", "/api/v1"])
def test_the_api_begins_with_links_that_lead_to_every_operation(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, headers=token("viewer"))
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    found = answer.get_json()
    links = {(link["method"], link["href"].removeprefix("/api/v1")) for link in found["operations"]}
    assert links == {(one.method, one.path) for one in OPERATIONS}
    for link in [found["docs"], found["openapi"], *(one["href"] for one in found["operations"] if "{" not in str(one))]:
        assert app.test_client().get(link, headers=token("viewer")).status_code in (200, 405), link


@pytest.mark.parametrize("path", ["/api", "/api/v1"])
def test_a_browser_is_led_from_there_to_the_page(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/api/docs")
    assert "Accept" in answer.headers["Vary"]


@pytest.mark.parametrize(("headers", "code"), [({}, 401), (BROWSER, 303)])
@pytest.mark.parametrize("path", ["/api", "/api/v1"])
def test_a_stranger_at_the_door_is_refused_as_a_program_or_led_to_the_login_as_a_person(
    redis_server: RedisServer, path: str, headers: dict[str, str], code: int
) -> None:
    hashed = "scrypt:32768:8:1$abcdefghijkl$" + "0" * 128
    app = create_app(apiworld.settings(redis_server.url, admin_password_hash=hashed), connect(redis_server.url))
    answer = app.test_client().get(path, headers=headers, environ_base=STRANGER)
    assert answer.status_code == code
    if code == 303:
        assert answer.headers["Location"].startswith("/login?next=/api")


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/nothing", "/api/v1/usage?x=1", "/api/v1/records/none"])
def test_every_error_has_a_title_a_status_and_a_detail(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, headers=token())
    assert answer.mimetype == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= answer.get_json().keys()
    assert "title" in document()["components"]["schemas"]["ProblemDetails"]["required"]


def test_the_page_shows_every_operation_and_model_and_asks_for_nothing_from_elsewhere(app: Flask) -> None:
    answer = app.test_client().get("/api/docs")
    page = Markup(answer.text)
    assert complaints(answer.text) == []
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {one.name for one in OPERATIONS} <= ids
    assert {link[1:] for link in page.links() if link.startswith("#")} <= ids
    assert [link for link in page.links() if link.startswith("http")] == [
        "https://coder.example.com/deployment/licenses"
    ]


def test_every_example_is_what_its_model_allows() -> None:
    described = {one.name: one for _, of in groups(document(), Here("http://x", "", NOW, {})) for one in of}
    for operation in OPERATIONS:
        operation.answer.model_validate_json(described[operation.name].example)


def test_every_command_on_the_page_succeeds_as_it_stands(app: Flask) -> None:
    shell = shutil.which("bash")
    assert shell is not None
    found = {}
    with served(app) as base, app.test_request_context(base_url=base):
        page = app.test_client().get("/api/docs", base_url=base).text
        commands = [text for text in _commands(page) if "/relays/" not in text and "/deliveries/" not in text]
        for text in commands:
            command = text.replace("curl -sS", "curl -sS -o /dev/null -w '%{http_code}'")
            done = subprocess.run(
                [shell, "-c", command], env={"AWB_TOKEN": TOKENS["admin"]}, capture_output=True, text=True, check=False
            )
            found[text] = done.stdout
    assert len(commands) > 15
    assert {text: code for text, code in found.items() if code not in ("200", "201", "202")} == {}


def _commands(page: str) -> list[str]:
    return [unescape(text) for text in findall(r"<pre[^>]*>(curl[^<]*)</pre>", page)]


def test_the_foot_of_a_page_names_version_docs_api_and_the_licences_in_coder(app: Flask) -> None:
    page = Markup(app.test_client().get("/records").text)
    assert "Coder AWB meter 0.1.0" in " ".join(page.text.split())
    assert {"/api/docs", "/docs", "https://coder.example.com/deployment/licenses"} <= set(page.links())
