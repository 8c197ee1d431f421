"""Where a meter keeps its data if no setting says so."""

from pathlib import Path

import pytest

from app.config import datadir

DEFAULT = Path("data")


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lock(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / datadir.LOCK).touch()
    return folder


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "is_checkout", lambda: False)


def test_a_checkout_keeps_its_data_in_itself(somewhere: Path) -> None:
    lock(somewhere / "awb-meter")
    assert datadir.of_new(DEFAULT, {"XDG_STATE_HOME": str(somewhere)}) == DEFAULT


@pytest.mark.usefixtures("installed")
def test_an_installed_program_keeps_them_in_the_state_directory_of_its_user(somewhere: Path) -> None:
    home = {"HOME": str(somewhere)}
    assert datadir.of_new(DEFAULT, home) == somewhere / ".local/state/awb-meter"
    assert datadir.of_new(DEFAULT, {**home, "XDG_STATE_HOME": "/state"}) == Path("/state/awb-meter")
    assert datadir.of_new(DEFAULT, {}) == DEFAULT


@pytest.mark.usefixtures("installed")
def test_a_meter_that_was_started_in_the_current_directory_stays_there(somewhere: Path) -> None:
    lock(somewhere / "data")
    assert datadir.of_new(DEFAULT, {"HOME": str(somewhere)}) == DEFAULT


@pytest.mark.usefixtures("installed")
def test_other_commands_find_the_meter_or_name_where_a_new_one_would_be(somewhere: Path) -> None:
    home = {"HOME": str(somewhere)}
    expected = somewhere / ".local/state/awb-meter"
    assert datadir.of_instance(DEFAULT, home) == expected
    lock(somewhere / "data")
    assert datadir.of_instance(DEFAULT, home) == DEFAULT
