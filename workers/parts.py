"""A part of the service as its supervisor sees it: a process, when it was started, and when it may be started again."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Protocol

from app.config.settings import Settings
from app.store.rq import jobqueue

#: Environment of a part: a pipe that closes when the supervisor is gone, however it went.
PARENT_FD: Final = "_AWB_PARENT_FD"
#: macOS' own libraries do not work in a forked process that does not exec.
CAN_FORK: Final = sys.platform == "linux"
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
#: Seconds before a part that ended is started again, at first.
FIRST_DELAY: Final = 0.5
_LONGEST_NAME: Final = 15
_MOST_FORWARDING: Final = 8


class Process(Protocol):
    """What the supervisor needs of a process; `subprocess.Popen` has it."""

    pid: int

    @property
    def returncode(self) -> int | Any: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


@dataclass
class Child:
    """One part of the service.

    Attributes:
        command: words of an `awb` command, or the whole command line of another program.
        fds: listening sockets that the part inherits.
        ours: it is an `awb` command.
    """

    name: str
    command: Sequence[str]
    fds: Sequence[int] = ()
    ours: bool = True
    process: Process | None = None
    started_at: float = 0.0
    delay: float = FIRST_DELAY
    due: float = 0.0

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Forked:
    """A child that was forked from this process, and so shares the memory of everything that is imported already."""

    def __init__(self, run: Callable[[], None], name: str) -> None:
        # A signal that came before the child has its own handlers would be taken by a copy of ours, and be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            # What lies in the permanent generation is checked, and thereby copied, by no collector any more.
            gc.freeze()
            self._process = get_context("fork").Process(target=_begin, args=(run, name), name=name)
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        assert self._process.pid is not None  # noqa: S101 - for the type checker
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it continues.
        """
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return self.returncode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _begin(run: Callable[[], None], name: str) -> None:
    """Become a process of its own, as if it had been started by exec, and run."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    # An own session: Ctrl-C on a terminal reaches the supervisor alone, which stops the others in order.
    os.setsid()
    # For top and `ps -o comm`; the command line is that of the supervisor.
    Path("/proc/self/comm").write_text(name[:_LONGEST_NAME], encoding="ascii")
    run()


def spawn(command: Sequence[str], fds: Sequence[int], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start a program."""
    return subprocess.Popen(
        command,
        pass_fds=fds,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def workers_of(settings: Settings, queues: Sequence[str] = ()) -> list[Child]:
    """Return the workers that run with these settings, or those of some queues.

    Each target of forwards has a worker of its own, so that one that is slow to answer holds up no other, and passcodes
    have one that nothing else keeps busy.

    Args:
        settings: which say what is relayed and forwarded.
        queues: each has a worker, also one for which these settings have no work.
    """
    relayed = (jobqueue.PASSCODES, jobqueue.RELAY) if settings.relay != "off" else ()
    forwarding = min(len(settings.forward), _MOST_FORWARDING)
    served = queues or (*jobqueue.CORE, *relayed, *([jobqueue.FORWARD] if forwarding else []))
    found = []
    for queue in dict.fromkeys(served):
        numbers = range(1, forwarding + 1) if queue == jobqueue.FORWARD and forwarding else [None]
        found += [
            Child(f"worker {queue}" if number is None else f"worker {queue} {number}", ["worker", queue])
            for number in numbers
        ]
    return found
