"""The systemd units, as `awb systemd-units` installs them: valid, shut off, and in step with the program."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.config.load import load
from app.config.settings import Settings
from app.store.rq import jobqueue
from tests.cli.conftest import call

ROOT = Path(__file__).parents[2]
SERVICES = ["awb-meter.service", "awb-web.service", "awb-scheduler.service", "awb-worker@.service"]
#: What `systemd-analyze security` may say of a unit: 0 is shut off from everything, 10 from nothing.
MOST_EXPOSED = 2.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    assert CliRunner().invoke(main, ["systemd-units", "--root", str(folder)]).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def units(root: Path) -> Path:
    return root / "etc/systemd/system"


def analyze(*words: str | Path) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def test_systemd_finds_nothing_wrong_with_the_units(units: Path) -> None:
    names = [*SERVICES[:-1], "awb-worker@awb-deliveries.service", "awb.target"]
    assert analyze("verify", "--man=no", *[units / name for name in names]) == ""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardly_exposed(units: Path, name: str) -> None:
    said = analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED * 10:.0f}", units / name)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found
    assert float(found[1]) <= MOST_EXPOSED


def test_every_unit_of_the_repository_is_installed_with_the_path_of_this_program(units: Path) -> None:
    kept = ROOT / "deploy/systemd"
    installed = {str(path.relative_to(units)) for path in units.rglob("*") if path.is_file()}
    assert installed == {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()} - {"awb-meter.toml"}
    starts = [line for name in SERVICES for line in values(units / name, "ExecStart")]
    program = Path(sys.executable).with_name("awb")
    assert [line.split()[0] for line in starts] == [str(program)] * len(SERVICES)


def test_no_unit_offers_a_reload_which_could_not_see_changed_settings(units: Path) -> None:
    """Systemd renews credentials only when a service starts."""
    assert [values(units / name, "ExecReload") for name in SERVICES] == [[]] * len(SERVICES)


def test_the_target_runs_the_receiver_the_scheduler_and_a_worker_of_every_queue(units: Path) -> None:
    wanted = {name for line in values(units / "awb.target", "Wants") for name in line.split()}
    workers = {f"awb-worker@{queue}.service" for queue in jobqueue.CORE}
    assert wanted == {"awb-web.service", "awb-scheduler.service", *workers}


def test_systemd_waits_longer_than_the_service_takes_to_finish_its_work(units: Path) -> None:
    assert int(values(units / "awb-meter.service", "TimeoutStopSec")[0]) > 3 * Settings().grace_seconds
    for name in SERVICES[1:]:
        assert int(values(units / name, "TimeoutStopSec")[0]) > Settings().grace_seconds


def test_the_configuration_is_roots_alone_and_its_suggestions_are_valid(root: Path, tmp_path: Path) -> None:
    file = root / "etc/awb-meter/awb-meter.toml"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    suggested = re.sub(r"^# (?=\w+ = )", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    tried = tmp_path / "tried.toml"
    tried.write_text(suggested, encoding="utf-8")
    assert len(tomllib.loads(suggested)) > 8
    assert load(tried, environ={}).settings.coder_token


def test_an_upgrade_replaces_the_units_and_keeps_the_configuration(tmp_path: Path) -> None:
    words = ["systemd-units", "--root", str(tmp_path)]
    call(*words)
    unit, config = tmp_path / "etc/systemd/system/awb-meter.service", tmp_path / "etc/awb-meter/awb-meter.toml"
    unit.write_text("old", encoding="utf-8")
    config.write_text("limit = 5\n", encoding="utf-8")
    assert call(*words).exit_code == 0
    assert "ExecStart=" in unit.read_text(encoding="utf-8")
    assert config.read_text(encoding="utf-8") == "limit = 5\n"


@pytest.mark.parametrize("folder", ["/home/ada/venv", "/run/user/0/venv", "/tmp/venv"])
def test_a_program_that_services_do_not_see_is_refused(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setattr(sys, "executable", f"{folder}/bin/python")
    said = call("systemd-units")
    assert said.exit_code == 1
    assert f"{folder}/bin/awb: services do not see /" in said.stderr
    assert "python3 -m venv /opt/awb-meter" in said.stderr


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "etc").touch()
    said = call("systemd-units", "--root", str(tmp_path))
    assert said.exit_code == 1
    assert f"{tmp_path}/etc/systemd/system" in said.stderr
