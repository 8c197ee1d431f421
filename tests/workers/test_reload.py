"""Taking a changed configuration without a restart, as real processes."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from app.simulator.loopback import free_port
from tests.conftest import PATIENCE, SECRET, short_directory, wait_until
from tests.web.make import basic, notification
from workers.parts import CAN_FORK, Forked

ROOT = Path(__file__).parents[2]


@dataclass
class Meter:
    """`awb run` with a configuration file."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def file(self) -> Path:
        return self.folder / "awb.toml"

    def write(self, *lines: str) -> None:
        self.file.write_text("\n".join([f'data_dir = "{self.folder}"', f'bind = "127.0.0.1:{self.port}"', *lines]))

    def awb(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return awb(self.file, *words)

    def get(self, path: str) -> Any:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=20).json()

    def answers(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=20).ok
        return False

    def post(self, number: int, secret: str = SECRET) -> int:
        url = f"http://127.0.0.1:{self.port}/v1/webhook"
        return requests.post(url, notification(f"m{number}", number), headers=basic(secret), timeout=20).status_code

    def pids(self) -> dict[str, int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {Path(f"/proc/{pid}/comm").read_text().strip(): int(pid) for pid in children}

    def troubles(self) -> list[str]:
        checks = self.get("/api/v1/health")["checks"]
        return [one["message"] for one in checks if one["check"] == "config.reload"]


def environment(file: Path) -> dict[str, str]:
    return {
        **os.environ,
        "AWB_CONFIG": str(file),
        "AWB_DATA_DIR": str(file.parent),
        "AWB_LOG_FORMAT": "json",
        "AWB_WEBHOOK_SECRET_FILE": str(file) + ".s",
    }


def awb(file: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "app.cli", *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment(file), capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def meter() -> Iterator[Meter]:
    folder, port = short_directory(), free_port()
    file = folder / "awb.toml"
    Path(f"{file}.s").write_text(SECRET)
    file.write_text(f'data_dir = "{folder}"\nbind = "127.0.0.1:{port}"\nlimit = 100\n')
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "run"],
            cwd=ROOT,
            env=environment(file),
            stdin=subprocess.DEVNULL,
            stderr=log,
            stdout=log,
        )
    found = Meter(folder, port, process)
    try:
        wait_until(lambda: "meter is running" in (folder / "log").read_text(), 90)
        # A part has its name a moment after it was forked.
        wait_until(lambda: all(name.startswith(("awb ", "redis-", "valkey-")) for name in found.pids()))
        yield found
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.slow
def test_every_part_takes_a_changed_configuration_and_keeps_the_former_one_when_it_is_wrong(meter: Meter) -> None:
    before = meter.pids()
    assert len(before) >= 5
    meter.write("limit = 4", 'thresholds = ["50%"]', 'ai_templates = ["aider"]')
    done = meter.awb("reload")
    assert (done.returncode, done.stdout[:33]) == (0, "The new configuration is in use.\n"), done.stderr
    assert meter.get("/api/v1/usage")["limit"] == 4
    # The worker counts and warns by it, too.
    assert [meter.post(number) for number in range(3)] == [202] * 3
    wait_until(lambda: meter.get("/api/v1/usage")["used"] == 3)
    wait_until(lambda: [alert["level"] for alert in meter.get("/api/v1/alerts")["alerts"]][:1] == ["50%"])

    meter.write("limit = 4", "limits = 5")
    wrong = meter.awb("reload")
    assert wrong.returncode == 78
    assert "unknown key “limits”" in wrong.stderr
    assert "previous configuration stays in use" in wrong.stderr
    assert meter.get("/api/v1/usage")["limit"] == 4
    (trouble,) = meter.troubles()
    assert "service" in trouble
    assert "unknown key “limits”" in trouble
    assert "not reloaded" in (meter.folder / "log").read_text()
    meter.file.write_text("not TOML at all")
    assert meter.awb("reload").returncode == 78
    # Parts that are restarted meanwhile take the one in force, too.
    victims = [meter.pids()[name] for name in ("awb web 1", "awb deliveries")]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: before.keys() == meter.pids().keys() and not set(victims) & set(meter.pids().values()))
    wait_until(lambda: meter.answers() and meter.get("/api/v1/usage")["limit"] == 4)
    assert meter.post(4) == 202
    wait_until(lambda: meter.get("/api/v1/usage")["used"] == 4)
    before = meter.pids()

    meter.write("limit = 7", "grace_seconds = 5")
    good = meter.awb("reload")
    assert (good.returncode, "need a restart: grace_seconds" in good.stdout) == (0, True), good.stderr
    assert (meter.get("/api/v1/usage")["limit"], meter.troubles()) == (7, [])
    assert meter.pids() == before


@pytest.mark.long
@pytest.mark.slow
def test_a_new_webhook_secret_holds_at_once_and_no_delivery_is_refused_meanwhile(meter: Meter) -> None:
    new = "another secret of the tests"
    (meter.folder / "awb.toml.s").write_text(new)
    meter.write(f'webhook_secret_previous = "{SECRET}"')
    assert meter.awb("reload").returncode == 0
    assert [meter.post(1, new), meter.post(2, SECRET), meter.post(3, "wrong" * 5)] == [202, 202, 401]


def test_without_a_running_meter_reload_says_so(tmp_path: Path) -> None:
    file = tmp_path / "awb.toml"
    file.write_text(f'data_dir = "{tmp_path}"\n')
    Path(f"{file}.s").write_text(SECRET)
    done = awb(file, "reload")
    assert done.returncode == 69
    assert f"run` uses {tmp_path}" in done.stderr


@pytest.mark.skipif(not CAN_FORK, reason="parts are forked on Linux only")
def test_a_part_that_is_asked_to_reload_while_it_starts_does_so_once_it_can(tmp_path: Path) -> None:
    go, answer = tmp_path / "go", tmp_path / "answer"

    def part() -> None:
        wait_until(go.exists)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        answer.write_text(str(signal.sigtimedwait({signal.SIGHUP}, 2)))

    former = signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        started = Forked(part, "part")
        os.kill(started.pid, signal.SIGHUP)
        go.touch()
        assert started.wait(PATIENCE) == 0
    finally:
        signal.signal(signal.SIGHUP, former)
    assert "si_signo=1" in answer.read_text()
