"""A part of the service as its supervisor sees it: its process, when it was started, and when it may be restarted."""

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

#: macOS' own libraries do not work in a forked process without exec.
CAN_FORK: Final = sys.platform == "linux"
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
#: Blocked in a part from its first moment: it waits for SIGHUP when it can reload (app/cli/reloading.py).
_HELD: Final = (*_SIGNALS, signal.SIGHUP)
#: Initial delay before a part that ended is restarted, in seconds.
FIRST_DELAY: Final = 0.5
_LONGEST_NAME: Final = 15
_MOST_FORWARDING: Final = 8


class Process(Protocol):
    """The interface of a process that the supervisor needs; `subprocess.Popen` has it."""

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
        command: the words of an `awb` command, or the whole command line of another program.
        fds: listening sockets that the part inherits.
        ours: whether it is an `awb` command.
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
    """A child that was forked from this process, and so shares the memory of everything already imported."""

    def __init__(self, run: Callable[[], None], name: str) -> None:
        # A signal that arrives before the child has its own handlers would be handled by a copy of ours, and be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        try:
            # The garbage collector no longer touches, and so no longer copies, frozen objects.
            gc.freeze()
            self._process = get_context("fork").Process(target=_begin, args=(run, name), name=name)
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        assert self._process.pid is not None  # noqa: S101 - for the type checker
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for it to end.

        Raises:
            subprocess.TimeoutExpired: it is still running.
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
    """Make this a process in its own session, as if started by exec, and run the function."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    # A separate session: Ctrl-C on a terminal reaches only the supervisor, which stops the others in order.
    os.setsid()
    # The name for top and `ps -o comm`; the command line remains that of the supervisor.
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
    """Return the workers needed with these settings, or those of the given queues.

    Each target of forwards has its own worker, so that a slow one does not hold up the others. Passcodes have one that
    is never busy with anything else.

    Args:
        settings: determine what is relayed and forwarded.
        queues: each gets a worker, even one for which these settings create no jobs.
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
