"""Debian's OpenSMTPD in the foreground, with its own configuration and a mailbox for each address."""

import email
import email.policy
import fcntl
import os
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from app.simulator.loopback import free_port
from tests.conftest import PATIENCE, wait_until

PROGRAM = Path("/usr/sbin/smtpd")
#: OpenSMTPD has one spool and one control socket, so one runs at a time.
_LOCK = Path(tempfile.gettempdir()) / "awb-tests-smtpd.lock"
_SPOOL = Path("/var/spool/smtpd")
_USER = "nobody"


@dataclass
class Mta:
    """A mail server whose mailboxes are directories named after addresses."""

    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?tls=none"

    @property
    def boxes(self) -> Path:
        return self.directory / "boxes"

    def mails(self, address: str) -> list[EmailMessage]:
        """Return the mails in a mailbox, in any order."""
        return [_read(file) for file in (self.boxes / address / "new").glob("*")]

    def number(self) -> int:
        return sum(1 for _ in self.boxes.glob("*/new/*"))

    def raw(self) -> bytes:
        return b"\n".join(file.read_bytes() for file in self.boxes.glob("*/new/*"))


def _read(file: Path) -> EmailMessage:
    found = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


@contextmanager
def opensmtpd() -> Iterator[Mta]:
    """Run it. A missing program fails the tests, it never skips them: `.ci/run` installs it. It has to run as root."""
    assert PROGRAM.exists(), "OpenSMTPD is missing; .ci/run installs it"
    assert os.geteuid() == 0, "OpenSMTPD has to be started as root"
    directory = Path(tempfile.mkdtemp(prefix="awb-smtpd-"))
    directory.chmod(0o755)
    mta = Mta(directory, free_port())
    mta.boxes.mkdir()
    shutil.chown(mta.boxes, _USER)
    configuration = directory / "smtpd.conf"
    configuration.write_text(
        f'table everybody {{ "@" = "{_USER}" }}\n'
        f"listen on 127.0.0.1 port {mta.port}\n"
        f'action "deliver" maildir "{mta.boxes}/%{{rcpt}}" virtual <everybody>\n'
        'match from any for any action "deliver"\n'
    )
    with _LOCK.open("w") as lock, (directory / "log").open("wb") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Mails left by a killed run must not be delivered.
        for left in (_SPOOL / "queue").glob("*"):
            shutil.rmtree(left, ignore_errors=True)
        process = subprocess.Popen([PROGRAM, "-d", "-f", configuration], stdout=log, stderr=log)
        try:
            wait_until(lambda: _answers(mta.port))
            yield mta
        finally:
            process.terminate()
            process.wait(PATIENCE)
            shutil.rmtree(directory, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as smtp:
            return smtp.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False
