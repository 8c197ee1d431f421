"""Parts of the meter as separate programs with separate data directories, as on several machines."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import requests

from app.simulator.loopback import free_port
from tests.conftest import wait_until
from tests.faults.system import processes, session
from tests.workers.make import ROOT, environment


class Role:
    """An `awb` command in a separate process.

    Args:
        directory: this part's own directory; created if it is missing.
        words: the command, such as `worker` or `web`.
        settings: settings by their names in the configuration.
    """

    def __init__(self, directory: Path, *words: str, **settings: Any) -> None:
        self.directory = directory
        self.words = words
        self.settings = settings
        self.log = directory / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        self.directory.mkdir(exist_ok=True)
        environ = environment(**{"log_level": "warning", **self.settings, "data_dir": self.directory / "data"})
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "app.cli", *self.words]
            self.process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=log, stderr=log)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        # The id of a process that has ended may be somebody else's now.
        if self.process is None or self.process.poll() is not None:
            return
        for pid in [*processes(self.pid), self.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def stop(self) -> int:
        """Ask the process to end, and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)


class Web(Role):
    """A receiver."""

    def __init__(self, directory: Path, *, port: int = 0, **settings: Any) -> None:
        self.port = port or free_port()
        super().__init__(directory, "web", bind=f"127.0.0.1:{self.port}", **settings)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        super().start()
        wait_until(self.ready, 180)
        return self

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
        try:
            return session().get(self.url + "/readyz", timeout=5).ok
        except requests.RequestException:
            return False
