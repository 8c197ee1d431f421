"""The wall clock of every process of a run, moved from outside."""

import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SOURCE = Path(__file__).with_name("clockshift.c")


class NoCompilerError(RuntimeError):
    """The library that moves the clock cannot be built; the message names what to install."""


class Clock:
    """Seconds by which the wall clock of every child process is off.

    Redis hangs with libfaketime (jemalloc asks for the time before the library is ready), so this is a library of our
    own. It moves the clock of all processes at once, and leaves the monotonic one alone.
    """

    def __init__(self, directory: Path) -> None:
        self._library = directory / "clockshift.so"
        self._file = directory / "clockshift"
        self.shift = 0
        self._write()
        command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(self._library), str(_SOURCE)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise NoCompilerError("a C compiler is needed: install gcc and libc6-dev") from None
        except subprocess.CalledProcessError as error:
            raise NoCompilerError(f"clockshift.c cannot be compiled (libc6-dev?): {error.stderr}") from None

    def now(self) -> float:
        return time.time() + self.shift

    def move(self, seconds: float) -> None:
        self.shift += round(seconds)
        self._write()

    @contextmanager
    def governing(self) -> Iterator[None]:
        """Let processes that are started from now on live by this clock."""
        os.environ |= {"LD_PRELOAD": str(self._library), "TORTURE_CLOCK": str(self._file)}
        try:
            yield
        finally:
            del os.environ["LD_PRELOAD"], os.environ["TORTURE_CLOCK"]

    def _write(self) -> None:
        # In place and in one write: every process has these eight bytes mapped.
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, struct.pack("q", self.shift), 0)
        finally:
            os.close(descriptor)
