"""E-mail by SMTP: one message per notification and recipient, threaded by usage period."""

import base64
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from threading import Event
from typing import Final

from app import clock
from app.core.alert.alert import Notification
from app.core.alert.handle import Handle
from app.core.text.lines import one_line
from app.core.text.mailbox import Mailbox, ascii_host
from app.net import trust
from app.notifiers.base import SEND_TIMEOUT, FailureReason, Notifier, NotifyError
from app.notifiers.deadline import within
from app.notifiers.email.message import render
from app.notifiers.email.server import LOOPBACK, SmtpServer

_LONGEST_ANSWER = 200
#: Seconds for the whole conversation: servers that greet late or scan for spam take time for each command.
PATIENCE: Final = 3 * SEND_TIMEOUT
_AUTH_CODES: Final = frozenset({530, 534, 535, 538})
# Many servers accept any greeting and refuse the name only at MAIL or RCPT (Postfix: smtpd_delay_reject).
_OF_THE_NAME = re.compile(r"\b(helo|ehlo)\b", re.IGNORECASE)


class Mailer:
    """Sends messages from one sender through one SMTP server."""

    def __init__(
        self, server: SmtpServer, sender: Mailbox, *, patience: float = PATIENCE, trusted: Path | None = None
    ) -> None:
        self._server, self._sender = server, sender
        self._patience, self._trusted = patience, trusted

    def send(self, message: EmailMessage, recipient: Mailbox) -> None:
        """Send once.

        Raises:
            NotifyError: it was not accepted.
        """

        def hand_over(smtp: smtplib.SMTP) -> None:
            self._check_utf8(smtp, recipient)
            smtp.send_message(message, self._sender.address, [recipient.address])

        self._talk(hand_over)

    def probe(self) -> None:
        """Log in and disconnect.

        Raises:
            NotifyError: the server does not accept the login.
        """
        self._talk(smtplib.SMTP.noop)

    def _check_utf8(self, smtp: smtplib.SMTP, recipient: Mailbox) -> None:
        """Refuse what the server cannot transport: only domains have an ASCII form, the part before the @ has none."""
        for mailbox, reason in (
            (self._sender, FailureReason.CLIENT_ERROR),
            (recipient, FailureReason.RECIPIENT_REFUSED),
        ):
            if not mailbox.address.isascii() and not smtp.has_extn("smtputf8"):
                text = f"{self._server.host} does not offer SMTPUTF8, which the address {mailbox.address} needs"
                raise NotifyError(text, reason=reason, permanent=True)

    def _talk(self, work: Callable[[smtplib.SMTP], object]) -> None:
        accepted = Event()
        try:
            within(self._patience, lambda: self._converse(work, accepted))
        except (OSError, ValueError) as error:  # covers every error of smtplib, ssl and socket
            failure = _failure(error, self._server)
        else:
            return
        # Raised outside the handler, because a server may repeat the password, which must not be attached as
        # __context__.
        if not accepted.is_set():
            raise failure

    def _converse(self, work: Callable[[smtplib.SMTP], object], accepted: Event) -> None:
        address, wait = (self._server.host, self._server.port), min(SEND_TIMEOUT, self._patience)
        name = self._server.helo or _own_name(self._sender.domain)
        # Both variants check the certificate and the host name.
        own = self._server.ca_file
        checked = ssl.create_default_context(cafile=own) if own else trust.context(self._trusted)
        if self._server.tls == "implicit":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(*address, name, timeout=wait, context=checked)
        else:
            smtp = smtplib.SMTP(*address, name, timeout=wait)
        try:
            _sign_in(smtp, self._server, checked)
            work(smtp)
            # An accepted message stays accepted, however the connection ends.
            accepted.set()
        finally:
            with suppress(OSError):
                smtp.quit()
            smtp.close()


class EmailNotifier(Notifier):
    """One recipient through one SMTP server; `host` is that of the deployment or the meter, for message ids."""

    threads = False

    def __init__(
        self,
        server: SmtpServer,
        sender: Mailbox,
        recipient: Mailbox,
        host: str = "",
        *,
        patience: float = PATIENCE,
        trusted: Path | None = None,
    ) -> None:
        self._mailer = Mailer(server, sender, patience=patience, trusted=trusted)
        self._sender, self._recipient, self._host = sender, recipient, host

    def send(self, notification: Notification, thread: Handle | None = None, *, retry: bool = False) -> None:
        del thread, retry
        message = render(
            notification, sender=self._sender, recipient=self._recipient, host=self._host, sent_at=clock.now()
        )
        self._mailer.send(message, self._recipient)

    def probe(self) -> None:
        self._mailer.probe()


def _own_name(sender_domain: str) -> str:
    """Return the name to greet with: the sender's domain, because many machines do not know their own name.

    For those, smtplib would use an address such as [127.0.0.1], which strict servers refuse.
    """
    machine = ascii_host(socket.getfqdn()) if "." not in sender_domain else None
    return machine if machine and "." in machine and not LOOPBACK.match(machine) else sender_domain


def _sign_in(smtp: smtplib.SMTP, server: SmtpServer, checked: ssl.SSLContext) -> None:
    smtp.ehlo_or_helo_if_needed()
    if server.tls == "starttls":
        # Continuing in plain text would let anybody on the path disable TLS.
        if not smtp.has_extn("starttls"):
            text = f"{server.host} does not offer STARTTLS: use tls=implicit, or tls=none for a trusted relay"
            raise NotifyError(text, reason=FailureReason.TLS, permanent=True)
        smtp.starttls(context=checked)
    if server.username and server.password:
        smtp.login(server.username, server.password)


def _failure(error: Exception, server: SmtpServer) -> NotifyError:
    reason, final, text = FailureReason.NETWORK, False, f"{type(error).__name__}: {error}"
    match error:
        case smtplib.SMTPHeloError():
            reason, text = FailureReason.SERVER_ERROR, _name_refused(error.smtp_code, error.smtp_error)
        case smtplib.SMTPRecipientsRefused():
            [(code, answer)] = error.recipients.values()
            reason, final, text = _refusal(error, code, answer, FailureReason.RECIPIENT_REFUSED)
        case smtplib.SMTPResponseException():
            reason, final, text = _refusal(error, error.smtp_code, error.smtp_error, FailureReason.CLIENT_ERROR)
        case smtplib.SMTPException() if not isinstance(error, smtplib.SMTPServerDisconnected):
            reason, final, text = FailureReason.AUTH_ERROR, True, "no common way to sign in: check port and tls="
        case ssl.SSLError() | FileNotFoundError():  # an admin must act, but a renewal may be in progress: retry
            remedy = trust.REMEDY if trust.is_untrusted(error) else "check host, port and tls="
            reason, text = FailureReason.TLS, f"no trusted TLS connection: {remedy} ({error})"
        case TimeoutError():
            text = "it did not answer in time"
        case ValueError():
            reason, text = FailureReason.SERVER_ERROR, "its answer could not be read"
    shown = one_line(_without_password(text, server))[:_LONGEST_ANSWER]
    return NotifyError(f"{server.host}: {shown}", reason=reason, permanent=final)


def _refusal(error: Exception, code: int, reply: bytes | str, reason: FailureReason) -> tuple[FailureReason, bool, str]:
    text = _reply(code, reply)
    if _OF_THE_NAME.search(text):
        return FailureReason.SERVER_ERROR, False, _name_refused(code, reply)
    # Worth a retry: 4xx, even for a password (454 in RFC 4954, section 6), and any greeting (the server may be
    # starting).
    # A str is smtplib's own text (“Line too long.”), because servers' replies are bytes.
    if not 500 <= code <= 599 or isinstance(error, smtplib.SMTPConnectError) or isinstance(reply, str):  # noqa: PLR2004
        return FailureReason.SERVER_ERROR, False, text
    signing_in = code in _AUTH_CODES or isinstance(error, smtplib.SMTPAuthenticationError)
    return FailureReason.AUTH_ERROR if signing_in else reason, True, text


def _name_refused(code: int, reply: bytes | str) -> str:
    """Describe a refusal of the name in EHLO. An admin can correct it, so the mail is retried until then."""
    return f"it refuses our name in the greeting; set AWB_SMTP_HELO to a name that it accepts: {_reply(code, reply)}"


def _reply(code: int, reply: bytes | str) -> str:
    return f"{code} {reply.decode('utf-8', 'replace') if isinstance(reply, bytes) else reply}"


def _without_password(text: str, server: SmtpServer) -> str:
    """Remove the password, also in the forms of AUTH PLAIN and AUTH LOGIN, because some servers repeat it."""
    if not server.password:
        return text
    secrets = [f"\0{server.username}\0{server.password}", server.password]
    encoded = [base64.b64encode(secret.encode()).decode() for secret in secrets]
    return re.sub("|".join(map(re.escape, encoded + secrets)), "<secret>", text)
