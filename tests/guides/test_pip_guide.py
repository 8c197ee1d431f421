"""README.md, docs/install/pip.md and docs/upgrade.md, carried out by a new user who has a checkout and nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import wait_until
from tests.guides.blocks import ROOT, block
from tests.guides.shell import Shell
from tests.otheruser import give
from tests.upgrade.previous import unpack
from tests.web.make import notification

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

GUIDE: Final = "docs/install/pip.md"
URL: Final = "http://127.0.0.1:8787"
#: How to install, and how to upgrade.
WAYS: Final = {
    "pipx": (block(GUIDE, "Install", 2), block(GUIDE, "Upgrade")),
    "uv": (block(GUIDE, "Install", 3), block(GUIDE, "Upgrade", 2)),
    "pip": (block(GUIDE, "Install", 4), block(GUIDE, "Upgrade", 3)),
}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with pipx and uv, which the guide takes for granted, and nothing else."""
    folder = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv" / "bin" / "pip", "install", "-q", "pipx"], check=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "pipx").symlink_to(folder / "venv" / "bin" / "pipx")
    (folder / "bin" / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    return folder / "bin"


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """Return a clone of this repository with what is not committed yet, which belongs to the other user."""
    # In no directory of pytest's, which git and make find closed to others.
    top = Path(tempfile.mkdtemp(prefix="awb-checkout-", dir="/tmp"))
    top.chmod(0o755)
    folder = top / "checkout"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, folder], check=True)
    listed = ["git", "ls-files", "-z", "--modified", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    yield give(folder)
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tree of the previous version with its wheel in `dist`."""
    tree = unpack(tmp_path_factory.mktemp("old") / "tree")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    subprocess.run(build, cwd=tree, env={**os.environ, "SOURCE_DATE_EPOCH": "1790000000"}, check=True)
    return give(tree)


@pytest.fixture
def shell(tools: Path) -> Iterator[Shell]:
    with Shell(tools) as opened:
        yield opened


def ready(shell: Shell) -> bool:
    return '"status":"ok"' in shell.run(f"curl --silent {URL}/readyz").stdout


def used(shell: Shell, folder: Path) -> int:
    return int(json.loads(shell.ok("awb status --json", folder))["used"])


def endpoint_of(webhook_url: str) -> str:
    """Return the endpoint, with its secret, from what `awb webhook-url` prints."""
    (line,) = [line for line in webhook_url.splitlines() if "_WEBHOOK_ENDPOINT=" in line]
    return line.partition("=")[2].strip("'\"")


def post(shell: Shell, endpoint: str) -> None:
    """Post what counts as one build."""
    shell.write("body.json", notification().decode())
    shell.ok(f"curl --silent --show-error --fail --data @body.json '{endpoint}'")


@pytest.mark.parametrize("way", WAYS)
def test_an_upgrade_keeps_the_count_and_everything_works_as_written(
    way: str, shell: Shell, previous: Path, checkout: Path
) -> None:
    install, upgrade = WAYS[way]
    somewhere = shell.folder("somewhere")
    shell.ok(install, previous, online=True)
    if way == "pip":
        assert install.splitlines()[-1] == "export PATH=~/awb/bin:$PATH"
        shell.environ["PATH"] = f"{shell.home}/awb/bin:{shell.environ['PATH']}"
    with shell.start("exec awb run", somewhere):
        wait_until(lambda: ready(shell), 120)
        endpoint = endpoint_of(shell.ok("awb webhook-url", somewhere))
        post(shell, endpoint)
        wait_until(lambda: used(shell, somewhere) == 1, 60)

    shell.ok(block(GUIDE, "Install"), checkout, online=True)
    shell.ok(upgrade, checkout, online=True)
    with shell.start(block(GUIDE, "Run it"), somewhere):
        wait_until(lambda: ready(shell), 240)
        address, status, doctor = block(GUIDE, "Run it", 2).splitlines()
        assert endpoint_of(shell.ok(address, somewhere)) == endpoint
        assert "Agent Workspace Builds" in shell.ok(status, somewhere)
        assert used(shell, somewhere) == 1
        # Nothing is broken but that nobody is warned yet.
        said = shell.run(doctor, somewhere).stdout
        assert [line.split()[1] for line in said.splitlines() if line.startswith("ERROR")] == ["receivers.configured"]
        assert "<title>" in shell.ok(f"curl --silent --fail {URL}/")
        # What the guide begins with: the backup before the next upgrade.
        shell.ok(block("docs/upgrade.md", "Upgrade"), somewhere)

    # As on another machine, a new meter starts with that backup.
    (shell.home / ".local/state/awb-meter").rename(shell.home / "left-behind")
    new = shell.folder("new")
    with shell.start("exec awb run", new):
        wait_until(lambda: ready(shell), 120)
        assert used(shell, new) == 0
    assert list(new.iterdir()) == []
    assert (shell.home / ".local/state/awb-meter/webhook-secret").exists()
    shell.ok(f"awb restore {somewhere}/awb-before-upgrade.backup", new)
    with shell.start("exec awb run", new):
        wait_until(lambda: ready(shell), 120)
        assert used(shell, new) == 1


def test_the_first_lines_of_the_readme_start_the_service_and_the_demo(shell: Shell, checkout: Path) -> None:
    run, demo, test = block("README.md", "Coder AWB meter").splitlines()
    # What `make run` installs first comes from an index of packages; the rest works without any network.
    shell.ok("make .venv/.run", checkout, online=True)
    with shell.start(run, checkout):
        wait_until(lambda: ready(shell), 120)
        assert "CODER_NOTIFICATIONS_METHOD=webhook" in shell.ok(".venv/bin/awb webhook-url", checkout)
    shell.ok("make .venv/.dev", checkout, online=True)
    # As on a terminal, where the page stays until Ctrl-C.
    with shell.start(demo, checkout, DEMO_FLAGS="--keep") as output:
        wait_until(lambda: "\nPASS" in output.read_text(encoding="utf-8"), 240)
        page = re.findall(r"http://127\.0\.0\.1:\d+", output.read_text(encoding="utf-8"))[-1]
        assert "<title>" in shell.ok(f"curl --silent --fail --location {page}/")
    # These tests are what it runs.
    assert " -m pytest " in shell.ok(f"{test.partition(' ')[0]} --dry-run {test.partition(' ')[2]}", checkout)
