"""`awb top`, `periods`, `forecast`, `why`, `events`, `messages`, `completion`, and how commands end."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from app.core.count.meter import AWB
from app.pipeline.watch.warn import warn
from app.store.store import Store
from tests.cli.conftest import Awb, call, rows_of
from tests.cli.make import DEPLOYMENT, build, environ, put, start
from tests.conftest import RedisServer, make_config
from tests.web.make import ROOT

NOW = datetime.now(UTC)
TODAY = NOW.date()


@pytest.fixture
def builds(connection: "redis.Redis") -> None:
    """Three builds of ada and one of grace today, and one of grace a year ago and more."""
    rows = [build(n, NOW + timedelta(microseconds=n)) for n in range(3)]
    rows += [build(3, NOW, owner="grace", template="aider")]
    rows += [build(4, NOW - timedelta(days=400), owner="grace", template="aider")]
    put(connection, rows)


def named(told: dict[str, Any]) -> list[tuple[str, int, float]]:
    return [(row["name"], row["used"], row["percent"]) for row in told["rows"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], [("ada", 3, 60.0), ("grace", 2, 40.0)]),
        (["--days", "2"], [("ada", 3, 75.0), ("grace", 1, 25.0)]),
        (["--by", "template"], [("claude-code", 3, 60.0), ("aider", 2, 40.0)]),
        (["--by", "organization"], [("coder", 5, 100.0)]),
        (["--limit", "1"], [("ada", 3, 60.0)]),
        (["--month", f"{NOW - timedelta(days=400):%Y-%m}"], [("grace", 1, 100.0)]),
        (["--month", "2019-02"], []),
    ],
)
def test_top_ranks_who_used_most_in_a_span(
    awb: Awb, builds: None, words: list[str], expected: list[tuple[str, int, float]]
) -> None:
    assert named(json.loads(awb("top", *words, "--json").stdout)) == expected


def test_top_of_a_period_takes_any_of_its_days(awb: Awb, builds: None) -> None:
    day = (NOW - timedelta(days=400)).date()
    told = json.loads(awb("top", "--period", day.isoformat(), "--json", AWB_PERIOD="yearly").stdout)
    assert named(told) == [("grace", 1, 100.0)]
    assert told["start"] == f"{day.year}-01-01"
    assert told["end"] == f"{day.year + 1}-01-01"


def test_a_period_without_records_is_not_found(awb: Awb, builds: None) -> None:
    result = awb("top", "--period", "2020-01-01", AWB_PERIOD="yearly")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "awb periods" in result.stderr


def test_top_for_people_has_bars_and_shares(awb: Awb, builds: None) -> None:
    rows = [line.split() for line in rows_of(awb("top", "--days", "2"))]
    assert rows[0][:4] == ["4", "Agent", "Workspace", "Builds"]
    assert rows[2:] == [["ada", "3", "75.0", "▇" * 20], ["grace", "1", "25.0", "▇" * 6]]


@pytest.mark.parametrize("words", [["--days", "0"], ["--month", "2026-13"], ["--days", "1", "--month", "2026-01"]])
def test_a_span_that_is_none_is_a_usage_error(awb: Awb, words: list[str]) -> None:
    assert awb("top", *words).exit_code == 2


def test_periods_go_back_as_far_as_there_are_records(awb: Awb, builds: None) -> None:
    told = json.loads(awb("periods", "--json", AWB_PERIOD="monthly").stdout)["periods"]
    assert [row["used"] for row in told if row["used"]] == [4, 1]
    assert told[0]["present"]
    first = rows_of(awb("periods", AWB_PERIOD="monthly"))[1]
    assert first.startswith(f"{TODAY:%Y-%m}-01 to ")
    assert first.split()[-4:] == ["4", "1,000", "0.4", "0"]


def test_forecast_says_what_it_knows_and_when_it_is_too_early(awb: Awb, connection: "redis.Redis") -> None:
    early = awb("forecast")
    assert early.exit_code == 0
    assert "no forecast yet" in early.stdout.lower()
    number = iter(range(1000))
    put(connection, [build(next(number), NOW - timedelta(days=ago)) for ago in range(30) for _ in range(3)])
    told = json.loads(awb("forecast", "--json", AWB_LIMIT="200").stdout)
    assert told["enough"]
    shown = awb("forecast", AWB_LIMIT="200").stdout
    assert told["words"] in shown
    assert re.search(r"used +90 of 200\n", shown)
    assert re.search(r"limit reached +\d+ \w+ 20\d\d", shown)


def test_why_leads_to_the_workspace(awb: Awb, builds: None) -> None:
    coder = {"AWB_CODER_URL": "https://coder.example.com", "AWB_CODER_TOKEN": "a-token"}
    (told,) = json.loads(awb("why", "ada/task-1", "--json", **coder).stdout)
    assert told["workspace_url"] == "https://coder.example.com/@ada/task-1"
    assert "https://coder.example.com/@ada/task-1" in awb("why", "ada/task-1", **coder).stdout
    assert json.loads(awb("why", "ada/task-1", "--json").stdout)[0]["workspace_url"] is None


def test_why_leads_to_no_workspace_of_another_deployment(awb: Awb, builds: None) -> None:
    coder = {"AWB_CODER_URL": "https://coder.example.com", "AWB_CODER_TOKEN": "a-token", "AWB_DEPLOYMENT": "eu"}
    (told,) = json.loads(awb("why", "ada/task-1", "--json", "--deployment", "default", **coder).stdout)
    assert (told["owner"], told["workspace_url"]) == ("ada", None)


@pytest.fixture
def warned(connection: "redis.Redis", redis_server: RedisServer, builds: None) -> None:
    more = {"slack_webhook_url": "http://127.0.0.1:9/services/T0/B0/x"}
    warn(Store(connection, DEPLOYMENT), make_config(redis_server.url, limit=10, thresholds="10%,20%", **more), AWB)
    put(connection, [build(n, NOW - timedelta(seconds=n)) for n in range(10, 12)])
    warn(Store(connection, DEPLOYMENT), make_config(redis_server.url, limit=10, thresholds="10%,20%,70%", **more), AWB)


def test_events_tell_what_happened_newest_first_page_by_page(awb: Awb, warned: None) -> None:
    told = json.loads(awb("events", "--json").stdout)
    assert [(row["reason"], row["level"]) for row in told["events"]] == [("escalated", "70%"), ("first", "20%")]
    page = json.loads(awb("events", "--limit", "1", "--json").stdout)
    rest = json.loads(awb("events", "--before", page["next"], "--json").stdout)
    assert page["events"] + rest["events"] == told["events"]
    shown = rows_of(awb("events", "--limit", "1"))
    assert re.search(r"awb +70% +escalated +Usage reached 70%, after 20%\.$", shown[1])
    assert "There is more" in shown[2]


def test_messages_tell_receiver_state_and_attempts(awb: Awb, warned: None) -> None:
    told = json.loads(awb("messages", "--json").stdout)["notifications"]
    assert [(row["receiver"], row["state"], row["attempts"]) for row in told] == [("slack", "pending", 0)] * 2
    assert "slack" in rows_of(awb("messages"))[1]


@pytest.mark.parametrize("command", ["events", "messages"])
def test_nothing_yet_and_no_cursor_are_said(awb: Awb, command: str) -> None:
    empty, wrong = awb(command), awb(command, "--before", "nonsense")
    assert (empty.exit_code, len(rows_of(empty))) == (0, 1)
    assert (wrong.exit_code, wrong.stdout) == (1, "")


# ---- completion ----


@pytest.fixture
def awb_on_path(tmp_path: Path) -> str:
    program = tmp_path / "bin" / "awb"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m app.cli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return str(program.parent)


def test_bash_completes_commands_options_and_choices(awb_on_path: str) -> None:
    expected = {
        "awb sta": ["status"],
        "awb silence ": ["add", "end", "list"],
        "awb top --by t": ["template"],
        "awb notify preview --l": ["--level"],
    }
    script = 'eval "$(awb completion bash)"; complete -p awb >&2 || exit 9\n'
    for typed in expected:
        words = " ".join(f"'{word}'" for word in typed.split(" "))
        script += f"COMP_WORDS=({words}); COMP_CWORD={typed.count(' ')}; COMPREPLY=(); _awb_completion awb\n"
        script += 'echo "${COMPREPLY[@]}"\n'
    path = {"PATH": f"{awb_on_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, env=environ("", **path), check=True, timeout=60
    )
    assert [sorted(line.split()) for line in done.stdout.decode().splitlines()] == list(expected.values())
    assert b"_awb_completion awb" in done.stderr


@pytest.mark.parametrize(("shell", "mark"), [("zsh", "#compdef awb"), ("fish", "complete --no-files --command awb")])
def test_other_shells_get_their_script(shell: str, mark: str) -> None:
    result = call("completion", shell)
    assert result.exit_code == 0
    assert mark in result.stdout
    assert call("completion", "tcsh").exit_code == 2


# ---- how commands end ----


@pytest.fixture
def many(connection: "redis.Redis") -> None:
    """More records than a pipe holds."""
    put(connection, [build(n, NOW - timedelta(seconds=n)) for n in range(2000)])


def first_line(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.default_int_handler], ids=["background", "terminal"])
def test_ctrl_c_in_the_middle_of_work_ends_with_130(redis_server: RedisServer, many: None, before: Any) -> None:
    ours = signal.signal(signal.SIGINT, before)
    try:
        process = start(redis_server.url, "export")
    finally:
        signal.signal(signal.SIGINT, ours)
    assert first_line(process).startswith(b"key,")
    process.send_signal(signal.SIGINT)
    _, wrong = process.communicate(timeout=60)
    assert (process.returncode, wrong.strip()) == (130, b"awb: interrupted")


@pytest.mark.parametrize("words", [["export"], ["export", "--format", "json"]], ids=" ".join)
def test_a_reader_that_goes_away_ends_it_quietly(redis_server: RedisServer, many: None, words: Sequence[str]) -> None:
    process = start(redis_server.url, *words)
    assert first_line(process)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    wrong = process.stderr.read()
    assert (process.wait(60), wrong) == (141, b"")
    process.stderr.close()


def test_the_checkout_works_from_elsewhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "--version"],
        capture_output=True,
        cwd=tmp_path,
        env=environ("", PYTHONPATH=str(ROOT)),
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith(b"awb, version ")
