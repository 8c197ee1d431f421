"""A data directory that cannot be used is named as what is wrong, for every command that needs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.simulator.loopback import free_port
from tests.conftest import SECRET
from tests.otheruser import as_somebody_else, give
from tests.workers.make import ROOT, environment

RUN, REPAIR, WEB = ["run"], ["repair"], ["web"]


def awb(data_dir: Path, *words: str, before: list[str] | None = None, **settings: str) -> tuple[int, str]:
    """Run a command as somebody who is not root, and return its exit code and what it says on standard error."""
    known = {"data_dir": str(data_dir), "bind": f"127.0.0.1:{free_port()}", **settings}
    environ = environment("", **known)
    for name in ("AWB_REDIS_URL", *(() if "webhook_secret" in settings else ("AWB_WEBHOOK_SECRET",))):
        del environ[name]
    command = [*(before or as_somebody_else()), sys.executable, "-m", "app.cli", *words]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def assert_says(outcome: tuple[int, str], wanted: str, code: int = 78) -> None:
    found, said = outcome
    assert (found, wanted in said) == (code, True), said
    assert "AWB_DATA_DIR" in said
    assert "AWB_BIND" not in said
    assert "Traceback" not in said


@pytest.fixture
def shared(short_dir: Path) -> Path:
    """A directory of root's, or of ours without the right to write, which somebody else may enter and read."""
    short_dir.chmod(0o555)
    return short_dir


@pytest.mark.parametrize("secret", [True, False], ids=["with a secret", "without a secret"])
@pytest.mark.parametrize("inside", ["", "data", "deeper/data"])
def test_a_directory_that_cannot_be_written_is_named(shared: Path, inside: str, secret: bool) -> None:
    more = {"webhook_secret": SECRET} if secret else {}
    data_dir = shared / inside
    uid = 65534 if os.getuid() == 0 else os.getuid()
    assert_says(awb(data_dir, *RUN, **more), f"AWB_DATA_DIR: {data_dir} cannot be written by user {uid}; give it to")


def test_a_directory_that_nobody_else_may_enter_is_named(short_dir: Path) -> None:
    (short_dir / "data").mkdir(mode=0o000)
    short_dir.chmod(0o755)
    assert_says(awb(short_dir / "data", *RUN), f"{short_dir / 'data'} cannot be written by user")


@pytest.mark.parametrize("secret", [True, False], ids=["with a secret", "without a secret"])
@pytest.mark.parametrize("inside", ["", "data"])
def test_a_file_in_its_place_is_named(short_dir: Path, inside: str, secret: bool) -> None:
    give(short_dir)
    file = short_dir / "file"
    file.touch()
    more = {"webhook_secret": SECRET} if secret else {}
    assert_says(awb(file / inside, *RUN, **more), f"AWB_DATA_DIR: {file} is no directory; move it away")


def test_other_commands_that_write_there_say_the_same(shared: Path) -> None:
    said = f"AWB_DATA_DIR: {shared} cannot be written"
    assert_says(awb(shared, *WEB), said)
    assert_says(awb(shared, *REPAIR), said, code=1)


def test_a_lock_of_another_user_is_named_and_not_the_address(short_dir: Path) -> None:
    (short_dir / "lock").touch(mode=0o400)
    give(short_dir)
    if os.getuid() == 0:
        os.chown(short_dir / "lock", 0, 0)
    code, said = awb(short_dir, *RUN, webhook_secret=SECRET)
    assert code == 1
    assert f"{short_dir / 'lock'}: Permission denied" in said
    assert "AWB_BIND" not in said


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="only root mounts")
def test_a_read_only_file_system_is_named(short_dir: Path) -> None:
    mounted = f'mount -t tmpfs -o ro tmpfs {short_dir} && exec "$@"'
    before = ["unshare", "--mount", "sh", "-c", mounted, "sh"]
    for data_dir in (short_dir, short_dir / "data"):
        said = f"AWB_DATA_DIR: {data_dir} is on a read-only file system; mount it writable"
        assert_says(awb(data_dir, *RUN, before=before, webhook_secret=SECRET), said)


def test_a_taken_address_is_still_named_as_such(short_dir: Path) -> None:
    give(short_dir)
    code, said = awb(short_dir, *RUN, webhook_secret=SECRET, bind="192.0.2.7:8787")
    assert (code, "cannot listen on 192.0.2.7:8787" in said) == (1, True), said


@pytest.mark.parametrize("words", [["status"], ["repair"], ["webhook-url"]])
def test_a_path_that_cannot_be_looked_at_ends_in_a_sentence(words: list[str]) -> None:
    too_long = Path("/var") / ("x" * 300)
    code, said = awb(too_long, *words)
    assert code != 0
    assert str(too_long) in said
    assert "Traceback" not in said


def test_a_configuration_file_that_cannot_be_looked_at_is_named(short_dir: Path) -> None:
    too_long = Path("/etc") / ("x" * 300)
    code, said = awb(short_dir, "config", "check", config=str(too_long))
    assert (code, f"{too_long}: cannot be read by user" in said, "Traceback" in said) == (78, True, False)
