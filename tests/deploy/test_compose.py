"""The compose file: it is one, it runs every part with the same care, and its commands exist."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from app.cli import main
from app.config.load import load
from app.config.settings import Settings
from app.store.rq import jobqueue
from tests.guides.blocks import block
from workers import embedded

ROOT = Path(__file__).parents[2]
GUIDE = "docs/install/compose.md"
FOLDER = ROOT / "deploy" / "compose"
#: The schema of the Compose Specification, unchanged, as compose-go 2.16.2 ships it under the Apache License 2.0.
SCHEMA = Path(__file__).with_name("compose-spec.json")
FILE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "awb-redis"}
STORE = SERVICES["awb-redis"]


def errors(document: Any) -> list[str]:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


def test_the_file_is_valid_by_the_compose_specification() -> None:
    assert errors(FILE) == []


def test_the_guides_include_and_its_override_of_secrets_fit_the_file() -> None:
    include = yaml.safe_load(block(GUIDE, "Run it with compose", 2))
    assert errors(include) == []
    # The folder's name is the guide's, by its first command.
    assert block(GUIDE, "Run it with compose").startswith("cp -r deploy/compose awb\n")
    assert [FOLDER / name.removeprefix("awb/") for name in include["include"]] == [FOLDER / "compose.yaml"]
    override = yaml.safe_load(block(GUIDE, "Settings"))
    assert errors(override) == []
    assert override["services"].keys() == {name for name, one in OURS.items() if "profiles" not in one}


def test_a_mistake_in_it_would_be_found() -> None:
    assert errors({**FILE, "services": {**SERVICES, "more": {"image": "x", "healthchek": {}}}}) != []


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_every_service_is_confined_restarted_and_stopped_with_time_to_finish(service: dict[str, Any]) -> None:
    assert (service["read_only"], service["cap_drop"], service["restart"]) == (True, ["ALL"], "unless-stopped")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert int(service["stop_grace_period"].removesuffix("s")) > 3 * Settings().grace_seconds


@pytest.mark.parametrize("service", OURS.values(), ids=OURS)
def test_every_part_starts_when_redis_answers(service: dict[str, Any]) -> None:
    assert service["depends_on"]["awb-redis"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("service", OURS.values(), ids=OURS)
def test_commands_and_health_checks_exist_need_no_shell_and_are_about_the_same_part(service: dict[str, Any]) -> None:
    kind, program, check, *checked = service["healthcheck"]["test"]
    assert (kind, program, check) == ("CMD", "awb", "healthcheck")
    assert checked == service["command"]
    for words in (service["command"], [check, *checked]):
        command = main.commands[words[0]]
        # Raises where an argument is not one of the command's.
        command.make_context(words[0], list(words[1:]), resilient_parsing=False)


def queues() -> Iterator[str]:
    for service in OURS.values():
        if service["command"][0] == "worker":
            yield from service["command"][1:]


def test_every_queue_has_one_service_with_its_worker_and_the_usual_ones_need_no_profile() -> None:
    assert sorted(queues()) == sorted(jobqueue.QUEUES)
    usual = [service["command"][-1] for service in OURS.values() if "profiles" not in service]
    assert set(jobqueue.CORE) <= set(usual)
    assert {"web", "scheduler"} <= set(usual)


def test_redis_keeps_what_it_confirms_just_as_the_embedded_one_does(tmp_path: Path) -> None:
    words = [str(word) for word in STORE["command"][1:]]
    given = dict(zip(words[::2], words[1::2], strict=True))
    own = embedded.command(Path("valkey-server"), tmp_path)[1:]
    expected = dict(zip(own[::2], own[1::2], strict=True))
    for option in ("--appendonly", "--appendfsync", "--save", "--maxmemory-policy", "--hash-max-ziplist-value"):
        assert given[option] == expected[option], option


def test_only_the_meter_reaches_redis() -> None:
    assert STORE["networks"] == ["awb_store"]
    assert FILE["networks"]["awb_store"]["internal"] is True
    assert "ports" not in STORE


def test_only_this_machine_reaches_the_receiver_unless_somebody_says_otherwise() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["${METER_PUBLISH:-127.0.0.1:8787}:8787"]


def test_the_settings_file_sets_nothing_and_what_it_proposes_is_valid() -> None:
    lines = (FOLDER / "awb.env").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    proposed = [line.removeprefix("#").partition("=") for line in lines if line.startswith("#AWB_")]
    assert len(proposed) > 5
    assert load(environ={name: value for name, _, value in proposed if value})
