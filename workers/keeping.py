"""Keeping parts running: they are started, restarted when they end, and stopped together."""

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from app.config.environment import PARENT_FD
from app.config.load import Config
from workers.parts import CAN_FORK, FIRST_DELAY, Child, Forked, Process, spawn

log = structlog.get_logger(__name__)
_LONGEST_DELAY, _HEALTHY_AFTER = 30.0, 60.0
#: Seconds between two checks of the parts.
POLL_SECONDS: Final = 0.2


class Runner(Protocol):
    """The program `awb`, as needed for running parts."""

    def prepare(self, command: str) -> None:
        """Import what a command needs, so that processes forked from now on share it."""

    def run(self, words: Sequence[str], config: Config | None) -> None:
        """Run a command of `awb` in this process, which ends with it; without a configuration it reads one."""


class Parts:
    """Starts and stops parts.

    Attributes:
        environment: environment variables for the parts, in addition to those of this process.
        config: the configuration for the parts that are forked; None if each reads it.
    """

    def __init__(self, program: Runner, give_up: Callable[[Child], None] = lambda _: None) -> None:
        """Prepare.

        Args:
            program: runs the parts.
            give_up: called in a forked part before it runs, to close what belongs to this process.
        """
        self.program = program
        self.environment: dict[str, str] = {}
        self.config: Config | None = None
        self._give_up = give_up
        self._alive_read, self._alive_write = os.pipe()

    def start(self, child: Child) -> None:
        child.process = self._launch(child)
        child.started_at = time.monotonic()
        log.debug("started", part=child.name, pid=child.process.pid)

    def look_after(self, children: Sequence[Child]) -> None:
        """Restart parts that have ended, after a delay that increases each time."""
        now = time.monotonic()
        for child in children:
            if child.running:
                continue
            if child.process is not None:
                _ended(child, now)
            if now >= child.due:
                self.start(child)

    def stop(self, children: Sequence[Child], grace_seconds: float) -> None:
        """Ask parts to end, and kill those that have not ended in time."""
        for child in children:
            if child.process is not None and child.running:
                child.process.terminate()
        deadline = time.monotonic() + grace_seconds
        for child in children:
            if child.process is not None:
                _wait(child, child.process, deadline)

    def close(self) -> None:
        os.close(self._alive_write)
        os.close(self._alive_read)

    def _launch(self, child: Child) -> Process:
        environment = {**self.environment, PARENT_FD: str(self._alive_read)}
        if child.ours and CAN_FORK:
            return Forked(lambda: self._run(child, environment), f"awb {child.name.removeprefix('worker awb-')}")
        command = [sys.executable, "-m", "app.cli", *child.command] if child.ours else child.command
        return spawn(command, [*child.fds, self._alive_read], environment)

    def _run(self, child: Child, environment: dict[str, str]) -> None:
        # If a part held it, the end of this process would not be noticed.
        os.close(self._alive_write)
        self._give_up(child)
        os.environ.update(environment)
        self.program.run(child.command, self.config)


def _ended(child: Child, now: float) -> None:
    assert child.process is not None  # noqa: S101 - for the type checker
    if now - child.started_at > _HEALTHY_AFTER:
        child.delay = FIRST_DELAY
    code = child.process.returncode
    log.error("part ended, will be restarted", part=child.name, exit_code=code, seconds=child.delay)
    child.process, child.due = None, now + child.delay
    child.delay = min(child.delay * 2, _LONGEST_DELAY)


def _wait(child: Child, process: Process, deadline: float) -> None:
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        log.error("part did not stop in time, killed", part=child.name)
        process.kill()
        process.wait()


def follow_parent() -> None:
    """End this process with SIGTERM when the supervisor that started it has ended, even by kill -9."""
    fd = os.environ.pop(PARENT_FD, "")
    if not fd.isdecimal():
        return

    def watch(pipe: int) -> None:
        selector: Any = selectors.DefaultSelector()
        selector.register(pipe, selectors.EVENT_READ)
        selector.select()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, args=(int(fd),), name="follow-parent", daemon=True).start()
