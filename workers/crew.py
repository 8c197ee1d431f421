"""Several workers in one container or unit: one process each, kept running by this one."""

import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType

from workers.keeping import POLL_SECONDS, Parts, Runner
from workers.parts import CAN_FORK, Child


class Crew:
    """Runs workers until SIGTERM or SIGINT, and gives them time to finish their current jobs."""

    def __init__(self, program: Runner, children: Sequence[Child], grace_seconds: float) -> None:
        self._program = program
        self._children = children
        self._grace_seconds = grace_seconds
        self._stopping = threading.Event()

    def run(self, environment: dict[str, str]) -> None:
        """Run the workers.

        Args:
            environment: environment variables for them, in addition to those of this process.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGHUP, self._pass_on)
        parts = Parts(self._program)
        parts.environment |= environment
        if CAN_FORK:
            self._program.prepare("worker")
        try:
            while not self._stopping.is_set():
                parts.look_after(self._children)
                self._stopping.wait(POLL_SECONDS)
        finally:
            parts.stop(self._children, self._grace_seconds)
            parts.close()

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        for child in self._children:
            if child.process is not None and child.running:
                os.kill(child.process.pid, number)

    def _request_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping.set()
