"""A shell of another user in a bare directory, to carry out what a guide says."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from tests.conftest import wait_until
from tests.otheruser import as_somebody_else, give

#: What says how to reach an index of packages from here, which no guide knows.
_INDEX: Final = ("PIP_", "UV_", "SSL_CERT_")


class Shell:
    """Another user with a home of its own, on a network with nothing but loopback where root can make one.

    Its `PATH` leads to the system, to `~/.local/bin`, and to the Python that runs the tests if others may run that.
    """

    def __init__(self, *more_path: Path, **environ: str) -> None:
        """Make it.

        Args:
            more_path: directories of programs, before all others.
            environ: more variables.
        """
        # In no directory of pytest's: those are closed to others, and too long for a socket.
        self.home = Path(tempfile.mkdtemp(prefix="awb-guide-", dir="/tmp"))
        path = [*more_path, self.home / ".local" / "bin", *_python(), "/usr/local/bin", "/usr/bin", "/bin"]
        self.environ = {"HOME": str(self.home), "LANG": "C.UTF-8", "PATH": ":".join(map(str, path)), **environ}
        self.running: list[subprocess.Popen[bytes]] = []
        self._holder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        give(self.home)
        if os.getuid() == 0:
            ready = self.home / "network"
            setup = f"ip link set lo up && touch {ready} && exec sleep infinity"
            # It ends with the test, even if that is killed.
            command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-euc", setup]
            self._holder = subprocess.Popen(command)
            wait_until(ready.exists)
            ready.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._holder:
            self._holder.kill()
            self._holder.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """Make a directory of this user in its home."""
        path = self.home / name
        path.mkdir(parents=True, exist_ok=True)
        return give(path)

    def write(self, name: str, text: str) -> Path:
        """Write a file of this user in its home."""
        path = self.home / name
        path.write_text(text, encoding="utf-8")
        return give(path)

    def run(
        self, text: str, cwd: Path | None = None, *, online: bool = False, **environ: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run commands as they are written, until one fails.

        Args:
            text: the commands.
            cwd: where; the home by default.
            online: whether they need an index of packages.
            environ: more variables.
        """
        how: dict[str, Any] = {"cwd": cwd or self.home, "stdin": subprocess.DEVNULL, "text": True}
        return subprocess.run(
            self._command(text, online=online),
            env=self._environ(environ, online=online),
            capture_output=True,
            check=False,
            **how,
        )

    def ok(self, text: str, cwd: Path | None = None, *, online: bool = False, **environ: str) -> str:
        """Run commands, which must succeed, and return their output."""
        done = self.run(text, cwd, online=online, **environ)
        assert done.returncode == 0, f"{text}{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def start(self, text: str, cwd: Path | None = None, **environ: str) -> Iterator[Path]:
        """Run commands in the background, as in a terminal of their own; at the end Ctrl-C ends them in order.

        Yields:
            The file of what they print.
        """
        log = self.home / f"terminal-{len(self.running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._command(text, online=False),
                env=self._environ(environ, online=False),
                cwd=cwd or self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.running.append(process)
        yield log
        assert process.poll() is None, log.read_text(encoding="utf-8")
        os.killpg(process.pid, signal.SIGINT)
        process.wait(90)

    def _command(self, text: str, *, online: bool) -> list[str]:
        inside = ["nsenter", "--target", str(self._holder.pid), "--net", "--"] if self._holder and not online else []
        return [*inside, *as_somebody_else(), "bash", "-euo", "pipefail", "-c", text]

    def _environ(self, more: Mapping[str, str], *, online: bool) -> dict[str, str]:
        index = {name: value for name, value in os.environ.items() if name.startswith(_INDEX)} if online else {}
        return {**self.environ, **index, **more}


def _python() -> list[Path]:
    """Return the directory of this Python unless it is closed to others, as in root's home."""
    folder = (Path(sys.base_prefix) / "bin").resolve()
    return [folder] if all(one.stat().st_mode & stat.S_IXOTH for one in (folder, *folder.parents)) else []
