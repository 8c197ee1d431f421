"""Commands that are printed can be run as they stand, wherever `awb` lies."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.program import program, runnable
from app.config.load import load

HERE = Path(sys.executable).parent
UNKNOWN = "/usr/bin:/bin"


def say(tmp_path: Path, *words: str, path: str = UNKNOWN) -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": path, "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "app.cli", *words]
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        command, env={**environ, "PYTHONPATH": root}, cwd=tmp_path, capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def forgotten() -> None:
    program.cache_clear()


def test_the_name_is_enough_where_the_shell_finds_this_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{HERE}:{UNKNOWN}")
    assert program() == "awb"
    assert runnable("run: awb doctor") == "run: awb doctor"


def test_another_program_of_that_name_is_not_taken_for_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "awb"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{HERE}")
    assert program() == str(HERE / "awb")


def test_only_commands_are_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", UNKNOWN)
    full = str(HERE / "awb")
    assert runnable("`awb webhook-url` and awb coder check.") == f"`{full} webhook-url` and {full} coder check."
    for text in ("alert=awb or level=90%", "awb: Redis is away", "/opt/bin/awb run", "rawb run", "awb-meter run"):
        assert runnable(text) == text


def test_what_a_command_says_to_run_runs(tmp_path: Path) -> None:
    said = say(tmp_path, "status")
    assert said.returncode == 69
    printed = said.stderr.partition("start it with: ")[2].partition(" (")[0]
    assert shlex.split(printed) == [str(HERE / "awb"), "run"]
    shown = subprocess.run(
        [*shlex.split(printed), "--help"], env={"PATH": UNKNOWN}, cwd=tmp_path, capture_output=True, check=False
    )
    assert shown.returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["webhook-url"], ["status"], ["top"], ["alerts"], ["queues"], ["quarantine"], ["deployments", "list"],
        ["periods"], ["events"], ["export"], ["reconcile"], ["worker", "awb-deliveries", "--burst"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_where_no_meter_runs_nothing_is_made_and_that_is_said(tmp_path: Path, words: list[str]) -> None:
    said = say(tmp_path, *words)
    assert said.returncode == 69, said.stderr
    assert f"No meter is running in {tmp_path / 'data'}; start it with: " in said.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["doctor", "reconcile", "export"])
def test_no_secret_for_what_is_relayed_is_made_either(tmp_path: Path, command: str) -> None:
    configured = tmp_path / "awb.toml"
    configured.write_text('[[forward]]\nname = "teams"\nurl = "https://hooks.example.com/coder"\n', encoding="utf-8")
    said = say(tmp_path, "--config", str(configured), command)
    assert "o meter is running in" in said.stdout + said.stderr
    assert list(tmp_path.iterdir()) == [configured]


def test_doctor_says_it_too(tmp_path: Path) -> None:
    said = say(tmp_path, "doctor")
    assert said.returncode == 1
    assert f"no meter is running in {tmp_path / 'data'}" in said.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["data", ".local/state/awb-meter"])
def test_a_meter_is_found_where_it_was_started(tmp_path: Path, place: str) -> None:
    data_dir = tmp_path / place
    data_dir.mkdir(parents=True)
    (data_dir / "lock").touch()
    (data_dir / "webhook-secret").write_text("made-at-the-first-start-of-it", encoding="ascii")
    said = say(tmp_path, "webhook-url")
    assert said.returncode == 0, said.stderr
    assert "http://coder:made-at-the-first-start-of-it@127.0.0.1:8787/v1/webhook" in said.stdout
    assert f"No meter is running in {data_dir};" in say(tmp_path, "status").stderr


def test_a_service_of_systemd_lives_in_its_state_directory(tmp_path: Path) -> None:
    state = {"STATE_DIRECTORY": "/var/lib/awb:/var/lib/other"}
    assert load(environ=state).settings.data_dir == Path("/var/lib/awb")
    assert load(environ={**state, "AWB_DATA_DIR": str(tmp_path)}).settings.data_dir == tmp_path
    assert load(environ={}).settings.data_dir == Path("data")
