"""The package as `uv tool install .` and `pipx install .` build it, away from the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


#: A moment, as `make wheel` takes it from the commit.
EPOCH = "1790000000"


def build(checkout: Path, into: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", into]
    subprocess.run(command, cwd=checkout, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, check=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, install it into a new environment that has only its dependencies, and return that."""
    folder = tmp_path_factory.mktemp("wheel")
    build(ROOT, folder)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    # A line of a .pth file adds the folder, and not what the editable install of this checkout adds by another one.
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "venv"


def awb(installed: Path, folder: Path, *words: str) -> str:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    command = [str(installed / "bin" / "awb"), *words]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_installed_program_says_its_version(installed: Path, tmp_path: Path) -> None:
    assert awb(installed, tmp_path, "--version").startswith("awb, version 0.")


def test_the_rules_and_the_documented_settings_are_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    said = awb(installed, tmp_path, "config", "check")
    assert f"{installed}/" in said
    assert "app/defaults/rules.toml" in said
    assert str(ROOT) not in said


def test_a_wheel_of_the_same_files_is_the_same_wheel_wherever_and_whenever_it_is_built(
    installed: Path, tmp_path: Path
) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    for name in listed.split("\0"):
        if (ROOT / name).is_file():
            copy = tmp_path / "checkout" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy)
            copy.chmod(0o600)
            os.utime(copy, (1, 1))
    shutil.copy(ROOT / ".gitignore", tmp_path / "checkout")
    build(tmp_path / "checkout", tmp_path / "again")
    first, again = next(installed.parent.glob("*.whl")), next((tmp_path / "again").glob("*.whl"))
    assert again.name == first.name
    assert again.read_bytes() == first.read_bytes()


def test_an_installed_meter_is_one_for_each_user_wherever_it_is_started(installed: Path, tmp_path: Path) -> None:
    home, somewhere = tmp_path / "home", tmp_path / "somewhere"
    home.mkdir()
    somewhere.mkdir()
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(home)}
    command = [installed / "bin" / "awb", "status"]
    said = subprocess.run(command, env=environ, cwd=somewhere, capture_output=True, text=True, check=False)
    assert (said.returncode, f"No meter is running in {home}/.local/state/awb-meter;" in said.stderr) == (69, True), (
        said
    )
    assert [*home.iterdir(), *somewhere.iterdir()] == []


def test_pages_scripts_and_styles_are_in_the_wheel(installed: Path) -> None:
    packages = next((installed / "lib").glob("python3*")) / "site-packages"
    for pattern in ("app/**/*.html", "app/**/*.css", "app/**/*.lua"):
        shipped = {path.relative_to(packages) for path in packages.glob(pattern)}
        assert shipped == {path.relative_to(ROOT) for path in ROOT.glob(pattern)} != set()
