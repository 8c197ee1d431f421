"""Podman as root, even on a restricted machine: without systemd, with old cgroups, or with low limits.

Everything runs in a separate mount namespace, which has cgroups version 2 and podman's networks. Images are built with
chroot, because the usual isolation sets limits that such a machine refuses.
"""

import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.conftest import wait_until

#: Debian's names of the required programs.
PROGRAMS = ("podman", "buildah", "crun", "debootstrap", "nsenter", "unshare", "iptables")
_PREPARE = (
    "mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && "
    "echo ready && exec sleep infinity"
)
#: Maximum number of processes in a container; a machine may not allow podman's usual number.
_PROCESSES = 1000


class Engine:
    """Runs commands in podman's namespace."""

    def __init__(self, folder: Path) -> None:
        missing = [program for program in PROGRAMS if not shutil.which(program)]
        # A missing tool fails the tests, it never skips them.
        assert not missing, f"install {', '.join(missing)} (and netavark, aardvark-dns, podman-compose)"
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        limits = f'["nofile={files[0]}:{files[0]}", "nproc={_PROCESSES}:{_PROCESSES}"]'
        configuration = folder / "containers.conf"
        configuration.write_text(f'[containers]\ncgroups = "disabled"\ndefault_ulimits = {limits}\n', encoding="ascii")
        self.environ = {**os.environ, "CONTAINERS_CONF": str(configuration), "BUILDAH_ISOLATION": "chroot"}
        self.environ = {name: value for name, value in self.environ.items() if not name.startswith("AWB_")}

    def __enter__(self) -> Self:
        self._holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", _PREPARE], stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.wait()

    @contextmanager
    def docker_api(self, folder: Path) -> Iterator[None]:
        """Let Docker's clients use podman during the block; only one block at a time."""
        address, ended = f"unix://{folder}/podman.sock", threading.Event()

        def check_health() -> None:
            """Check each container's health, for which podman needs the timers of a systemd."""
            while not ended.wait(1):
                for name in self.shell("podman ps --format '{{.Names}}'", folder).split():
                    self.run(["podman", "healthcheck", "run", name], folder, check=False)

        service = subprocess.Popen(
            self._inside(["podman", "system", "service", "--time=0", address], folder),
            env=self.environ,
            stderr=subprocess.DEVNULL,
        )
        checking = threading.Thread(target=check_health)
        self.environ["DOCKER_HOST"] = address
        try:
            wait_until((folder / "podman.sock").exists)
            checking.start()
            yield
            ended.set()
            checking.join()
        finally:
            ended.set()
            del self.environ["DOCKER_HOST"]
            service.terminate()
            service.wait()

    def _inside(self, command: Sequence[str | Path], cwd: Path) -> list[str | Path]:
        return ["nsenter", "--target", str(self._holder.pid), "--mount", f"--wd={cwd}", "--", *command]

    def run(self, command: Sequence[str | Path], cwd: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        inside = self._inside(command, cwd)
        done = subprocess.run(inside, env=self.environ, cwd=cwd, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def shell(self, line: str, cwd: Path, *, check: bool = True) -> str:
        """Run a command line from a guide, and return its output."""
        return self.run(["bash", "-c", line], cwd, check=check).stdout.strip()


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    with Engine(folder) as running:
        yield running
