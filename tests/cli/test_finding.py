"""What was counted, found by user; what a notification would count as; and commands on a screen of 80 columns."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
import redis

from app.cli import main
from app.cli.commands import SECTIONS
from tests.cli.conftest import Awb, call, rows_of
from tests.cli.make import build, put
from tests.web.make import PAYLOADS, notification

NOW = datetime.now(UTC)


@pytest.fixture
def builds(connection: "redis.Redis") -> None:
    """Three builds of ada and one of grace."""
    put(connection, [build(n, NOW - timedelta(minutes=n)) for n in range(3)])
    put(connection, [build(3, NOW, owner="grace", template="aider")])


def test_records_lists_the_newest_first(awb: Awb, builds: None) -> None:
    found = json.loads(awb("records", "--json").stdout)
    assert [record["owner"] for record in found] == ["grace", "ada", "ada", "ada"]
    assert [record["key"] for record in json.loads(awb("records", "--limit", "1", "--json").stdout)] == [
        found[0]["key"]
    ]


@pytest.mark.parametrize(
    ("words", "number"),
    [(["--user", "ada"], 3), (["--template", "aider"], 1), (["--organization", "coder"], 4), (["--user", "nobody"], 0)],
)
def test_records_takes_only_what_is_asked_for(awb: Awb, builds: None, words: list[str], number: int) -> None:
    done = awb("records", *words, "--json")
    assert len(json.loads(done.stdout)) == number
    assert done.exit_code == (0 if number else 1)


def test_records_for_people_have_one_row_each_and_say_that_there_may_be_more(awb: Awb, builds: None) -> None:
    rows = rows_of(awb("records", "--user", "ada", "--limit", "2"))
    assert rows[0].split() == ["at", "user", "workspace", "template", "key"]
    assert all(" ada " in row for row in rows[1:3])
    assert rows[3] == "There may be more: raise --limit."


def test_why_of_a_user_lists_the_builds_of_that_user(awb: Awb, builds: None) -> None:
    rows = rows_of(awb("why", "ada"))
    assert rows[0].startswith("ada is a user;")
    assert sum("build:" in row for row in rows) == 3
    assert len(json.loads(awb("why", "ada", "--json").stdout)) == 3
    assert awb("why", "nobody").exit_code == 1


@pytest.mark.parametrize(
    ("file", "templates", "said"),
    [
        ("task_resumed", "", "yes"),
        ("task_created_in_ui", "", "not yet"),
        ("task_created_in_ui", "*", "yes"),
        ("first_build_failed", "", "no"),
        ("scheduled_stop_announced", "", "no"),
        ("template_of_the_future", "", "no"),
    ],
)
def test_explain_says_first_whether_it_counts(awb: Awb, file: str, templates: str, said: str) -> None:
    payload = json.loads((PAYLOADS / f"{file}.json").read_text(encoding="utf-8"))
    labels = payload["payload"].get("labels", {})
    listed = labels.get("template", "claude-code") if templates else "another"
    words = ["explain", str(PAYLOADS / f"{file}.json")]
    first = rows_of(awb(*words, AWB_AI_TEMPLATES=listed))[0]
    assert re.match(rf"Counts: {said}\b", first), first
    assert json.loads(awb(*words, "--json", AWB_AI_TEMPLATES=listed).stdout)["counts"] == said


def test_explain_of_a_failure_that_takes_back_is_no(awb: Awb) -> None:
    assert awb("explain", "-", stdin=notification()).stdout.startswith("Counts: yes")


@pytest.mark.parametrize("content", [b"hello\nworld\n", b"a,b\n1,2\n", b'{"some": "json"}\n', b"\xff\xfe"])
def test_importing_another_file_says_one_line(awb: Awb, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "wrong.csv"
    file.write_bytes(content)
    done = awb("import", str(file))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"awb: {file}:")
    assert line.endswith("no line is a record as written by `awb export`; nothing was imported")


def test_an_empty_quarantine_is_said_to_be_empty(awb: Awb, connection: "redis.Redis") -> None:
    assert awb("quarantine").stdout == "The quarantine is empty.\n"
    assert json.loads(awb("quarantine", "--json").stdout) == []


def test_bare_awb_fits_a_screen_and_names_every_command() -> None:
    done = call(COLUMNS="80")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    for section in SECTIONS.values():
        for name in section:
            assert re.search(rf"\b{name}\b", done.stdout), name


def test_the_list_of_commands_has_one_line_for_each_at_80_columns() -> None:
    lines = call("--help", COLUMNS="80").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for section in SECTIONS.values():
        for name, (_, words) in section.items():
            assert any(line.split(None, 1) == [name, words] for line in lines if line.strip()), name


def every_command(group: click.Group, *before: str) -> list[tuple[str, ...]]:
    context = click.Context(group)
    found: list[tuple[str, ...]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*before, name))
        if isinstance(command, click.Group):
            found += every_command(command, *before, name)
    return found


@pytest.mark.parametrize("words", every_command(main), ids=" ".join)
def test_help_at_80_columns_breaks_no_word_and_shows_no_code_of_strftime(words: tuple[str, ...]) -> None:
    shown = call(*words, "--help", COLUMNS="80").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert not re.search(r"%[YmdHMS]", shown)
