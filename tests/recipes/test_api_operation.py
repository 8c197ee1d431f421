"""The recipe "To add an operation of the HTTP API" in CONTRIBUTING.md, carried out in a copy of the source."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import RedisServer
from tests.web.make import ROOT, Receiver, receiver

ANSWER = '''"""Answers about the workspaces that are open."""

from typing import Self

from pydantic import Field

from app.answers.shape import Answer, Moment
from app import clock
from app.store.store import Store


class OpenWorkspaces(Answer):
    """How many workspaces may consume more builds."""

    number: int = Field(description="Workspaces that are not deleted.")
    as_of: Moment

    @classmethod
    def of(cls, store: Store) -> Self:
        return cls(number=len(store.coder.open_workspaces()), as_of=clock.now())
'''
VIEW = """

from app.answers.openworkspaces import OpenWorkspaces


@operation("GET", "/workspaces/open", "How many workspaces are open.")
def open_workspaces(call: Call) -> OpenWorkspaces:
    return OpenWorkspaces.of(call.store)
"""
ROW = "| `GET /api/v1/workspaces/open` | how many workspaces are open |\n"
#: What each step adds, and to which file; CONTRIBUTING.md names the same files.
STEPS = {"app/answers/openworkspaces.py": ANSWER, "app/web/api/views.py": VIEW, "docs/api.md": ROW}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    for name in ("app", "workers", "config", "docs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in STEPS.items():
        with (root / name).open("a", encoding="utf-8") as file:
            file.write(text)
    return root


@pytest.fixture(scope="module")
def service(copy: Path, redis_server: RedisServer) -> Iterator[Receiver]:
    with receiver(redis_server.url, copy) as running:
        yield running


def get(service: Receiver, path: str) -> Any:
    answer = requests.get(f"{service.url}/api/v1{path}", timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_operation_answers_over_http(service: Receiver) -> None:
    answer = get(service, "/workspaces/open")
    assert answer["number"] == 0
    assert answer["as_of"].endswith("Z")


def test_the_operation_and_its_model_are_in_the_openapi_document(service: Receiver) -> None:
    document = get(service, "/openapi.json")
    described = document["paths"]["/workspaces/open"]["get"]
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    assert (described["operationId"], schema) == ("open_workspaces", {"$ref": "#/components/schemas/OpenWorkspaces"})
    model = document["components"]["schemas"]["OpenWorkspaces"]
    assert model["required"] == ["number", "as_of"]
    assert model["properties"]["number"]["description"] == "Workspaces that are not deleted."


def test_a_wrong_parameter_of_it_is_refused_as_of_every_other(service: Receiver) -> None:
    answer = requests.get(f"{service.url}/api/v1/workspaces/open?limit=1", timeout=20)
    assert (answer.status_code, json.loads(answer.text)["detail"]) == (400, "There is no `limit`.")


def test_the_recipe_names_these_files_and_no_more_than_three() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipe = text.partition("## To add an operation of the HTTP API")[2].partition("\n## ")[0]
    named = [
        line.split("`")[1].replace("<noun>", "openworkspaces") for line in recipe.splitlines() if line[:1].isdigit()
    ]
    assert named == list(STEPS)
    assert len(named) <= 3
