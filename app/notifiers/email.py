"""E-mail by SMTP: one message per notification and recipient, threaded by usage period."""

import base64
import hashlib
import html
import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from app.core.alert import Alert, Notification
from app.core.severity import Severity
from app.core.text import is_web_link, one_line
from app.notifiers.base import SEND_TIMEOUT, FailureReason, Notifier, NotifyError
from app.notifiers.text import SIGNS

_COLOURS: Final = {Severity.OK: "#2e9e5b", Severity.WARNING: "#d9822b", Severity.CRITICAL: "#d64545"}
_PORTS: Final = {"starttls": 587, "implicit": 465, "none": 25}
# ASCII only: anything else needs SMTPUTF8, which few relays offer.
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=^`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII | re.IGNORECASE)
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1", re.IGNORECASE)
_LONGEST_SUBJECT, _LONGEST_NAME, _LONGEST_ANSWER = 200, 60, 200
NO_DOMAIN: Final = "awb-meter.invalid"
_AUTH_CODES: Final = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over; STARTTLS is required, never only tried, and `ca_file` replaces the system's CAs."""

    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*|[0-9A-Fa-f:.]+", self.host):
            raise ValueError("the host of the SMTP server must be a name or an address, such as mail.example.com")
        if bool(self.username) != bool(self.password):
            raise ValueError("SMTP wants user and password together, or neither")
        if not f"{self.username or ''}{self.password or ''}".isascii():
            raise ValueError("SMTP user and password must be ASCII: Python's smtplib can send no other")
        if self.password and self.tls == "none" and not _LOOPBACK.fullmatch(self.host):
            raise ValueError("an SMTP password is never sent without TLS: use tls=starttls or tls=implicit")

    @classmethod
    def parse(cls, url: str) -> "SmtpServer":
        """Read `smtp://user:password@host:587?tls=starttls&ca_file=/path`; `smtps://` stands for implicit TLS.

        Raises:
            ValueError: with what is allowed. The text repeats nothing of the URL, which may hold a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # its text may repeat the password
            parts, port = urlsplit(""), None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.fragment or parts.path not in {"", "/"}:
            raise ValueError(
                "an SMTP URL must look like smtp://user:password@mail.example.com:587; "
                "in user and password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"
            )
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if not options.keys() <= {"tls", "ca_file"} or not all(options.values()):
            raise ValueError("only tls= and ca_file= may follow the ? of an SMTP URL; in a password, write ? as %3F")
        implicit = parts.scheme == "smtps" or port == _PORTS["implicit"]
        tls = options.get("tls", "implicit" if implicit else "starttls")
        if tls not in _PORTS or (parts.scheme == "smtps" and tls != "implicit"):
            raise ValueError("tls= of an SMTP URL must be starttls, implicit or none; smtps:// is always implicit")
        user, password = (unquote(part or "") or None for part in (parts.username, parts.password))
        return cls(parts.hostname, port or _PORTS[tls], tls, user, password, options.get("ca_file"))  # type: ignore[arg-type]


class EmailNotifier(Notifier):
    """One recipient, by one SMTP server. Sender and recipient are plain addresses, or ValueError is raised."""

    def __init__(self, server: SmtpServer, sender: str, recipient: str, deployment_domain: str = NO_DOMAIN) -> None:
        for what, address in (("sender", sender), ("recipient", recipient)):
            if not _ADDRESS.fullmatch(address):
                raise ValueError(f"the {what} of e-mails must be one plain address, such as ops@example.com")
        self._server, self._sender, self._recipient, self._domain = server, sender, recipient, deployment_domain

    def send(self, notification: Notification) -> None:
        message = render(notification, sender=self._sender, recipient=self._recipient, domain=self._domain)
        self._talk(lambda smtp: smtp.send_message(message, self._sender, [self._recipient]))

    def probe(self) -> None:
        self._talk(smtplib.SMTP.noop)

    def _talk(self, work: Callable[[smtplib.SMTP], object]) -> None:
        try:
            address = self._server.host, self._server.port
            trust = ssl.create_default_context(cafile=self._server.ca_file)  # checks certificate and host name
            if self._server.tls == "implicit":
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(*address, timeout=SEND_TIMEOUT, context=trust)
            else:
                smtp = smtplib.SMTP(*address, timeout=SEND_TIMEOUT)
            try:
                _sign_in(smtp, self._server, trust)
                work(smtp)
            finally:
                # What was accepted stays accepted, however the server takes leave.
                with suppress(OSError):
                    smtp.quit()
                smtp.close()
        except (OSError, ValueError) as error:  # every error of smtplib, ssl and socket is one of them
            failure = _failure(error, self._server)
        else:
            return
        # Outside the handler: a server may repeat the password, so its words do not travel on as __context__.
        raise failure


def _sign_in(smtp: smtplib.SMTP, server: SmtpServer, trust: ssl.SSLContext) -> None:
    smtp.ehlo_or_helo_if_needed()
    if server.tls == "starttls":
        # Going on in plain text would let anyone on the way switch TLS off.
        if not smtp.has_extn("starttls"):
            text = f"{server.host} does not offer STARTTLS: use tls=implicit, or tls=none for a trusted relay"
            raise NotifyError(text, reason=FailureReason.TLS, permanent=True)
        smtp.starttls(context=trust)
    if server.username and server.password:
        smtp.login(server.username, server.password)


def render(notification: Notification, *, sender: str, recipient: str, domain: str) -> EmailMessage:
    """Return the message. The same notification always gives the same message, Message-ID included."""
    alert = notification.alert
    name = _header(alert.deployment, _LONGEST_NAME)
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = _header(f"[Coder AWB] [{name}] {alert.headline}", _LONGEST_SUBJECT)
    message["Date"] = notification.decided_at
    # Stable over retries: after a connection lost at the end of DATA, clients fold the duplicate.
    message["Message-ID"] = _message_id("alert", notification.id, domain)
    # No mail has the root's id. It is there so that clients thread all mails of a period, whichever came first.
    message["In-Reply-To"] = message["References"] = _message_id("thread", alert.group_key, domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message["List-Id"] = f"<awb.alerts.{re.sub(r'[^a-z0-9-]+', '-', name.lower()).strip('-') or 'unnamed'}>"
    message["X-AWB-Level"] = _header(alert.level, _LONGEST_NAME) or "none"
    message["X-Coder-Deployment"] = name
    # Both 7 bit, for servers without 8BITMIME.
    message.set_content(_text_of(alert), cte="quoted-printable")
    message.add_alternative(_html_of(alert), subtype="html", cte="quoted-printable")
    return message


def _text_of(alert: Alert) -> str:
    width = max((len(one_line(label)) for label, _ in alert.facts), default=0) + 1
    facts = [f"{one_line(label) + ':':<{width}} {one_line(value)}" for label, value in alert.facts]
    links = [f"{label}: {url}" for label, url in _links(alert)]
    before = [f"{SIGNS[alert.severity][1]}: {one_line(alert.headline)}", one_line(alert.summary), "\n".join(facts)]
    after = [one_line(alert.meaning), "\n".join(links), one_line(alert.footer)]
    return "\n\n".join(filter(None, before + after)) + "\n"


def _html_of(alert: Alert) -> str:
    """Write the same as HTML. No colours of text or background, so that light and dark readers keep their own."""
    (emoji, word), colour = SIGNS[alert.severity], _COLOURS[alert.severity]
    cell = "padding:2px 16px 2px 0;text-align:left;vertical-align:top"
    row = f'<tr><th scope="row" style="{cell}">{{}}</th><td style="{cell}">{{}}</td></tr>'
    facts = "".join(row.format(_safe(label), _safe(value)) for label, value in alert.facts)
    links = " · ".join(f'<a href="{_safe(url)}">{_safe(label)}</a>' for label, url in _links(alert))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{_safe(alert.headline)}</title></head>\n"
        '<body style="margin:0;padding:16px;font-family:Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5">\n'
        f'<div style="max-width:600px;padding-left:16px;border-left:4px solid {colour}">\n'
        f'<h1 style="font-size:20px;margin:0 0 12px">{emoji} {word}: {_safe(alert.headline)}</h1>\n'
        f'<p>{_safe(alert.summary)}</p>\n<table style="border-collapse:collapse">{facts}</table>\n'
        f"<p>{_safe(alert.meaning)}</p>\n<p>{links}</p>\n"
        f'<p style="font-size:13px;opacity:.75">{_safe(alert.footer)}</p>\n</div></body></html>\n'
    )


def _links(alert: Alert) -> list[tuple[str, str]]:
    return [(one_line(k), url) for k, url in alert.links if is_web_link(url)]


def _safe(text: str) -> str:
    return html.escape(one_line(text))


def _header(text: str, limit: int) -> str:
    # The library decodes what looks like an encoded word (RFC 2047), line breaks in it included.
    line = one_line(text).replace("=?", "= ?")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _message_id(kind: str, key: str, domain: str) -> str:
    # With a longer domain the line would pass 78 characters, and the library would fold it in a way that breaks the id.
    known = re.fullmatch(r"(?=.{1,47}$)[a-z0-9-]+(\.[a-z0-9-]+)*", domain.lower())
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:20]
    return f"<{kind}.{digest}@{known.group() if known else NO_DOMAIN}>"


def _failure(error: Exception, server: SmtpServer) -> NotifyError:
    reason, final, text = FailureReason.NETWORK, False, f"{type(error).__name__}: {error}"
    match error:
        case smtplib.SMTPRecipientsRefused():
            [(code, answer)] = error.recipients.values()
            reason, final, text = _refusal(error, code, answer, FailureReason.RECIPIENT_REFUSED)
        case smtplib.SMTPResponseException():
            reason, final, text = _refusal(error, error.smtp_code, error.smtp_error, FailureReason.CLIENT_ERROR)
        case smtplib.SMTPException() if not isinstance(error, smtplib.SMTPServerDisconnected):
            reason, final, text = FailureReason.AUTH_ERROR, True, "no common way to sign in: check port and tls="
        case ssl.SSLError() | FileNotFoundError():  # an admin has to act, but a renewal may be under way: try again
            reason, text = FailureReason.TLS, f"no trusted TLS connection: {error}"
        case ValueError():
            reason, text = FailureReason.SERVER_ERROR, "its answer could not be read"
    shown = one_line(_without_password(text, server))[:_LONGEST_ANSWER]
    return NotifyError(f"{server.host}: {shown}", reason=reason, permanent=final)


def _refusal(error: Exception, code: int, said: bytes | str, reason: FailureReason) -> tuple[FailureReason, bool, str]:
    text = f"{code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"
    # Worth another try: 4xx even for a password (454 in RFC 4954, section 6), and any greeting (it may be starting up).
    if not 500 <= code <= 599 or isinstance(error, smtplib.SMTPConnectError):  # noqa: PLR2004
        return FailureReason.SERVER_ERROR, False, text
    signing_in = code in _AUTH_CODES or isinstance(error, smtplib.SMTPAuthenticationError)
    return FailureReason.AUTH_ERROR if signing_in else reason, True, text


def _without_password(text: str, server: SmtpServer) -> str:
    """Take out the password, also as AUTH PLAIN and AUTH LOGIN send it: some servers repeat what they got."""
    if not server.password:
        return text
    secrets = [f"\0{server.username}\0{server.password}", server.password]
    encoded = [base64.b64encode(secret.encode()).decode() for secret in secrets]
    return re.sub("|".join(map(re.escape, encoded + secrets)), "<secret>", text)
