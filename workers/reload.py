"""Sends SIGHUP from `awb run` to its parts, and reports the result to `awb reload`."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import redis

from app import clock
from app.config.datadir import LOCK
from app.config.places import SYSTEM_CONFIG
from app.config.wholefile import whole_file
from app.store.reloads import Reload, reloads
from workers.parts import Child

_ANSWER: Final = "reload.json"
#: Parts answer within a fraction of a second, unless the machine is very busy.
_PATIENCE_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.05
#: Of services of the system; `%d` in a unit.
_CREDENTIALS: Final = "/run/credentials/"


def pass_on(children: Iterable[Child], connection: "redis.Redis") -> tuple[list[Reload], list[str]]:
    """Let the parts reload; return their results, and the names of parts that did not answer."""
    began, deadline = clock.now(), time.monotonic() + _PATIENCE_SECONDS
    waiting = {child.process.pid: child for child in children if child.process and child.running}
    for pid in waiting:
        os.kill(pid, signal.SIGHUP)
    ended: list[Reload] = []
    while waiting and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        answered = [one for one in reloads(connection) if one.at >= began and one.pid in waiting]
        ended += answered
        for one in answered:
            del waiting[one.pid]
        # A part that has ended is restarted with the new configuration.
        waiting = {pid: child for pid, child in waiting.items() if child.running}
    return ended, [child.name for child in waiting.values()]


def write_answer(data_dir: Path, problems: list[str], silent: list[str], restart: list[str]) -> None:
    """Write the answer that `awb reload` waits for, completely or not at all."""
    found = {"at": clock.now().timestamp(), "problems": problems, "silent": silent, "restart": restart}
    with whole_file(data_dir / _ANSWER) as opened:
        opened.write(json.dumps(found).encode())


def answer_of(data_dir: Path) -> dict[str, Any] | None:
    """Return the last answer; None if there is none."""
    try:
        return dict(json.loads((data_dir / _ANSWER).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def holder(data_dir: Path) -> int | None:
    """Return the process that uses a data directory; None if there is none."""
    try:
        with (data_dir / LOCK).open("r", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read().strip()
                return int(text) if text.isdecimal() else None
    except OSError:
        return None
    return None


def takes_signal(pid: int) -> bool:
    """Return whether a process handles SIGHUP; earlier versions end on it. True if this cannot be determined."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return True
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "")
    return not caught or bool(int(caught, 16) >> (signal.SIGHUP - 1) & 1)


def is_outdated_copy(pid: int) -> bool:
    """Return whether a service of systemd reads a copy of the settings file that differs from the file itself.

    The copy is a credential (`LoadCredential=`), which systemd renews only when the service starts. False if this
    cannot be determined.
    """
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        named = next((one for one in environ if one.startswith(b"AWB_CONFIG=")), b"").decode().partition("=")[2]
        if not named.startswith(_CREDENTIALS):
            return False
        # As the service itself sees it, which has a mount namespace of its own.
        return Path(f"/proc/{pid}/root{named}").read_bytes() != SYSTEM_CONFIG.read_bytes()
    except (OSError, UnicodeDecodeError):
        return False
