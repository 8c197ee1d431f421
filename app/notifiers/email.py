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
from email.utils import format_datetime, getaddresses
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from app.core.alert import Alert, Notification, Severity
from app.notifiers.base import SEND_TIMEOUT, FailureReason, Notifier, NotifyError

_SIGNS: Final = {
    Severity.OK: ("✅", "OK", "#2e9e5b"),
    Severity.WARNING: ("⚠️", "Warning", "#d9822b"),
    Severity.CRITICAL: ("🚨", "Critical", "#d64545"),
}
_PORTS: Final = {"starttls": 587, "implicit": 465, "none": 25}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BIDI = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# ASCII only: anything else needs SMTPUTF8, which few relays offer.
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII | re.IGNORECASE)
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1", re.IGNORECASE)
_LONGEST_SUBJECT, _LONGEST_NAME, _LONGEST_ANSWER = 200, 60, 200
# A longer domain would make the library fold message ids, and fold them wrongly.
_LONGEST_DOMAIN: Final = 48
_AUTH_CODES: Final = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over, and how.

    Attributes:
        tls: `starttls` (required, never only tried), `implicit` (from the first byte on), or `none`.
        ca_file: certificates to trust instead of the system's.
    """

    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f:.]+", self.host):
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
        parts, port = _split(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if not options.keys() <= {"tls", "ca_file"} or not all(options.values()):
            raise ValueError("only tls= and ca_file= may follow the ? of an SMTP URL; in a password, write ? as %3F")
        implicit = parts.scheme == "smtps" or port == _PORTS["implicit"]
        tls = options.get("tls", "implicit" if implicit else "starttls")
        if tls not in _PORTS or (parts.scheme == "smtps" and tls != "implicit"):
            raise ValueError("tls= of an SMTP URL must be starttls, implicit or none; smtps:// is always implicit")
        return cls(
            host=parts.hostname or "",
            port=port or _PORTS[tls],
            tls=tls,  # type: ignore[arg-type]
            username=unquote(parts.username or "") or None,
            password=unquote(parts.password or "") or None,
            ca_file=options.get("ca_file"),
        )


class EmailNotifier(Notifier):
    """One recipient, by one SMTP server."""

    def __init__(
        self, server: SmtpServer, sender: str, recipient: str, deployment_domain: str = "awb-meter.invalid"
    ) -> None:
        """Keep where to send.

        Raises:
            ValueError: sender or recipient is not exactly one address.
        """
        self._server = server
        self._sender = _one_address(sender, "sender")
        self._recipient = _one_address(recipient, "recipient")
        self._domain = deployment_domain

    def send(self, notification: Notification) -> None:
        message = render(notification, sender=self._sender, recipient=self._recipient, domain=self._domain)
        self._talk(lambda smtp: smtp.send_message(message, self._sender, [self._recipient]))

    def probe(self) -> None:
        self._talk(smtplib.SMTP.noop)

    def _talk(self, work: Callable[[smtplib.SMTP], object]) -> None:
        try:
            smtp = self._connect()
            try:
                self._sign_in(smtp)
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

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.tls == "implicit":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=SEND_TIMEOUT, context=self._trust())
        return smtplib.SMTP(server.host, server.port, timeout=SEND_TIMEOUT)

    def _sign_in(self, smtp: smtplib.SMTP) -> None:
        server = self._server
        smtp.ehlo_or_helo_if_needed()
        if server.tls == "starttls":
            # Going on in plain text would let anyone on the way switch TLS off.
            if not smtp.has_extn("starttls"):
                text = f"{server.host} does not offer STARTTLS: use tls=implicit, or tls=none for a trusted relay"
                raise NotifyError(text, reason=FailureReason.TLS, permanent=True)
            smtp.starttls(context=self._trust())
        if server.username and server.password:
            smtp.login(server.username, server.password)

    def _trust(self) -> ssl.SSLContext:
        # The default context checks certificate and host name.
        return ssl.create_default_context(cafile=self._server.ca_file)


def render(notification: Notification, *, sender: str, recipient: str, domain: str) -> EmailMessage:
    """Return the message. The same notification always gives the same message, Message-ID included."""
    alert = notification.alert
    name = _clean(alert.deployment, _LONGEST_NAME)
    root = _message_id("thread", alert.group_key, domain)
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = _clean(f"[Coder AWB] [{name}] {alert.headline}", _LONGEST_SUBJECT)
    message["Date"] = format_datetime(notification.decided_at)
    # Stable over retries: after a connection lost at the end of DATA, clients fold the duplicate.
    message["Message-ID"] = _message_id("alert", notification.id, domain)
    # No mail has the root's id. It is there so that clients thread all mails of a period, whichever came first.
    message["In-Reply-To"] = root
    message["References"] = root
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message["List-Id"] = f"<awb.alerts.{re.sub(r'[^a-z0-9-]+', '-', name.lower()).strip('-') or 'unnamed'}>"
    message["X-AWB-Level"] = _clean(alert.level, _LONGEST_NAME) or "none"
    message["X-Coder-Deployment"] = name
    # Both 7 bit, for servers without 8BITMIME.
    message.set_content(_text_of(alert), cte="quoted-printable")
    message.add_alternative(_html_of(alert), subtype="html", cte="quoted-printable")
    return message


def _text_of(alert: Alert) -> str:
    _, word, _ = _SIGNS[alert.severity]
    width = max((len(_clean(label)) for label, _ in alert.facts), default=0) + 1
    facts = [f"{_clean(label) + ':':<{width}} {_clean(value)}" for label, value in alert.facts]
    links = [f"{label}: {url}" for label, url in _links(alert)]
    head = [f"{word}: {_clean(alert.headline)}", _clean(alert.summary)]
    blocks = [*head, "\n".join(facts), _clean(alert.meaning), "\n".join(links), _clean(alert.footer)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _html_of(alert: Alert) -> str:
    """Write the same as HTML. No colours of text or background, so that light and dark readers keep their own."""
    emoji, word, colour = _SIGNS[alert.severity]
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
        f"<p>{_safe(alert.summary)}</p>\n"
        f'<table style="border-collapse:collapse">{facts}</table>\n'
        f"<p>{_safe(alert.meaning)}</p>\n<p>{links}</p>\n"
        f'<p style="font-size:13px;opacity:.75">{_safe(alert.footer)}</p>\n</div></body></html>\n'
    )


def _links(alert: Alert) -> list[tuple[str, str]]:
    return [(_clean(k), url) for k, url in alert.links if re.fullmatch(r"https?://[^\s\x00-\x1f\x7f-\x9f]+", url)]


def _safe(text: str) -> str:
    return html.escape(_clean(text))


def _clean(text: str, limit: int = 5000) -> str:
    """Make one line without control characters, bidi controls and half surrogate pairs: no name may block a mail."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    line = _BIDI.sub("", _UNSAFE.sub(" ", whole)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _message_id(kind: str, key: str, domain: str) -> str:
    known = re.fullmatch(rf"(?=.{{1,{_LONGEST_DOMAIN}}}$)[a-z0-9-]+(\.[a-z0-9-]+)*", domain.lower())
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:20]
    return f"<{kind}.{digest}@{known.group() if known else 'awb-meter.invalid'}>"


def _one_address(text: str, what: str) -> str:
    found = [address for _, address in getaddresses([text])]
    if len(found) != 1 or not _ADDRESS.fullmatch(found[0]):
        raise ValueError(f"the {what} of e-mails must be one address, such as ops@example.com")
    return found[0]


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        if parts.scheme in {"smtp", "smtps"} and parts.hostname and not parts.fragment and parts.path in {"", "/"}:
            return parts, parts.port
    except ValueError:  # its text may repeat the password
        pass
    raise ValueError(
        "an SMTP URL must look like smtp://user:password@mail.example.com:587; "
        "in user and password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"
    )


def _failure(error: Exception, server: SmtpServer) -> NotifyError:
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, answer = next(iter(error.recipients.values()))
            return _refusal(code, answer, server, FailureReason.RECIPIENT_REFUSED)
        case smtplib.SMTPConnectError():  # whatever the greeting says: a server being set up answers 5xx, too
            reason, text = FailureReason.SERVER_ERROR, _quote(error.smtp_code, error.smtp_error, server)
        case smtplib.SMTPResponseException():
            return _refusal(error.smtp_code, error.smtp_error, server, FailureReason.CLIENT_ERROR)
        case smtplib.SMTPServerDisconnected():
            reason, text = FailureReason.NETWORK, "the connection was closed"
        case smtplib.SMTPException():  # no AUTH, or none that both sides know
            text = f"{server.host} offers no way to sign in that fits; is TLS or the port right?"
            return NotifyError(text, reason=FailureReason.AUTH_ERROR, permanent=True)
        case ssl.SSLError():  # an admin has to act, but a renewal may be under way: try again
            reason, text = FailureReason.TLS, f"no trusted TLS connection: {_clean(str(error), _LONGEST_ANSWER)}"
        case OSError():
            reason, text = FailureReason.NETWORK, _clean(f"{type(error).__name__}: {error}", _LONGEST_ANSWER)
        case _:
            reason, text = FailureReason.SERVER_ERROR, "its answer could not be read"
    return NotifyError(f"{server.host}: {text}", reason=reason, permanent=False)


def _refusal(code: int, answer: bytes | str, server: SmtpServer, reason: FailureReason) -> NotifyError:
    # 454 and other 4xx also come for a password that cannot be checked just now (RFC 4954, section 6).
    final = 500 <= code <= 599  # noqa: PLR2004
    if not final:
        reason = FailureReason.SERVER_ERROR
    elif code in _AUTH_CODES:
        reason = FailureReason.AUTH_ERROR
    return NotifyError(f"{server.host}: {_quote(code, answer, server)}", reason=reason, permanent=final)


def _quote(code: int, answer: bytes | str, server: SmtpServer) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    if server.password:
        plain = f"\0{server.username}\0{server.password}"
        for secret in (server.password, *(base64.b64encode(s.encode()).decode() for s in (plain, server.password))):
            text = text.replace(secret, "<secret>")
    return f"{code} {_clean(text, _LONGEST_ANSWER)}"
