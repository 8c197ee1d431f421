"""A machine with a real systemd: a new Debian in a directory, booted in its own namespaces."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final, Self

import pytest

from tests.conftest import wait_until

_BOOT: Final = Path(__file__).with_name("boot.sh")
_PACKAGES: Final = "systemd,systemd-sysv,dbus,python3-venv,ca-certificates,sudo,curl"
_AUTHORITIES: Final = "etc/ssl/certs/ca-certificates.crt"
#: An admin who may use sudo.
ADMIN: Final = "ada"


def make_root(folder: Path) -> None:
    """Install a small Debian with an admin to a directory.

    If this machine cannot do it, the test fails and names what is missing.
    """
    if os.getuid() != 0:
        pytest.fail("booting a systemd needs root; run this test as root")
    if shutil.which("debootstrap") is None:
        pytest.fail("booting a systemd needs debootstrap; install it with: apt install debootstrap")
    command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    subprocess.run(["chroot", folder, "useradd", "--create-home", "--shell", "/bin/bash", ADMIN], check=True)
    (folder / "etc/sudoers.d/admin").write_text(f"{ADMIN} ALL=(ALL) NOPASSWD: ALL\n", encoding="utf-8")
    (folder / "etc/hosts").write_text("127.0.0.1 localhost vm\n", encoding="utf-8")
    # Needed by the new machine to reach the package index.
    for name in ("etc/resolv.conf", "etc/pip.conf", _AUTHORITIES):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(Path("/") / name, folder / name)


class Machine:
    """A booted machine; its services have only a loopback network."""

    def __init__(self, root: Path) -> None:
        self.root = root
        namespaces = ["--mount", "--pid", "--fork", "--ipc", "--uts", "--cgroup", "--net", "--kill-child"]
        # It ends with the test, even if that is killed.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, str(_BOOT), str(root)]
        self._unshare = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        wait_until(
            lambda: self._systemd() and self.run("systemctl is-system-running --wait || true").stdout.strip(), 60
        )
        return self

    def __exit__(self, *_: object) -> None:
        # When process 1 of the namespace ends, all others end.
        self._unshare.send_signal(signal.SIGKILL)
        self._unshare.wait()

    def run(self, command: str, user: str = ADMIN, *, online: bool = False) -> "subprocess.CompletedProcess[str]":
        """Run a shell command in a user's home directory, as after a login; `online` uses the host's network."""
        within = ["nsenter", "--target", self._systemd(), "--mount", "--pid", "--ipc", "--uts", "--cgroup"]
        within += [] if online else ["--net"]
        login = ["env", "-i", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "su", "-", user, "-c", command]
        return subprocess.run([*within, *login], capture_output=True, text=True, timeout=600, check=False)

    def ok(self, command: str, user: str = ADMIN, *, online: bool = False) -> str:
        """Run a command that must succeed, and return its output."""
        done = self.run(command, user, online=online)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{self._log()}"
        return done.stdout

    def _log(self) -> str:
        return self.run("journalctl --no-pager -n 40 -u 'awb*'", "root").stdout

    def _systemd(self) -> str:
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children").read_text(encoding="ascii")
        first = children.split()
        # Earlier it is still the script.
        return first[0] if first and Path(f"/proc/{first[0]}/comm").read_text(encoding="ascii") == "systemd\n" else ""
