"""Messages to systemd: sd_notify(3), one datagram per message to the socket in NOTIFY_SOCKET.

Without that variable nothing is sent, so callers need not know what started them. The libraries for it on PyPI are
either unmaintained (sdnotify, 2017) or need a C compiler.
"""

import contextlib
import os
import socket
from collections.abc import MutableMapping
from typing import Final, Self

_SOCKET: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = "WATCHDOG_USEC"
_WATCHDOG_PID: Final = "WATCHDOG_PID"


class ServiceManager:
    """The service manager that started this process, if one did.

    Attributes:
        watchdog_seconds: the maximum time between calls of `keep_alive`; 0 if there is no watchdog.
    """

    def __init__(self, address: str = "", watchdog_seconds: float = 0.0) -> None:
        self._address = address
        self.watchdog_seconds = watchdog_seconds
        self._last_sent = float("-inf")

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Self:
        """Take the manager's variables out of an environment, so that no child process sends messages in its place."""
        address = environ.pop(_SOCKET, "")
        microseconds, pid = environ.pop(_WATCHDOG, ""), environ.pop(_WATCHDOG_PID, "")
        watched = microseconds.isdecimal() and pid in ("", str(os.getpid()))
        return cls(address, int(microseconds) / 1_000_000 if watched else 0.0)

    def ready(self, status: str) -> None:
        """Report that the service works.

        Args:
            status: a line for `systemctl status`.
        """
        self._send("READY=1", f"STATUS={status}")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=Finishing work")

    def keep_alive(self, now: float) -> None:
        """Report to the watchdog that this process works, with at most one message per third of its time.

        Args:
            now: seconds of a monotonic clock.
        """
        if self.watchdog_seconds and now - self._last_sent >= self.watchdog_seconds / 3:
            self._last_sent = now
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        # An "@" stands for the zero byte of an abstract socket; systemd has other kinds for virtual machines only.
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # If the manager is gone, the service must continue.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto("\n".join(lines).encode(), address)
