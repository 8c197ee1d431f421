"""The configured mail server."""

import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from app.core.text.mailbox import address_literal, ascii_host

_PORTS: Final = {"starttls": 587, "implicit": 465, "none": 25}
#: Names and addresses of this machine.
LOOPBACK: Final = re.compile(r"localhost|127(\.\d{1,3}){3}|::1", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The mail server that accepts our messages.

    Attributes:
        tls: STARTTLS is required, not optional.
        ca_file: replaces the system's certificate authorities.
        helo: the name with which we greet the server; None for the sender's domain.
    """

    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    helo: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*|[0-9A-Fa-f:.]+", self.host):
            raise ValueError("the host of the SMTP server must be a name or an address, such as mail.example.com")
        if self.helo is not None and not (ascii_host(self.helo) or address_literal(self.helo)):
            raise ValueError("helo= must be a host name such as meter.example.com, or an address such as [192.0.2.1]")
        if bool(self.username) != bool(self.password):
            raise ValueError("SMTP wants user and password together, or neither")
        if not f"{self.username or ''}{self.password or ''}".isascii():
            raise ValueError("SMTP user and password must be ASCII: Python's smtplib can send no other")
        if self.password and self.tls == "none" and not LOOPBACK.fullmatch(self.host):
            raise ValueError("an SMTP password is never sent without TLS: use tls=starttls or tls=implicit")

    @classmethod
    def parse(cls, url: str) -> "SmtpServer":
        """Parse `smtp://user:password@host:587?tls=starttls&ca_file=/path&helo=name`; `smtps://` means implicit TLS.

        Raises:
            ValueError: with the allowed forms. The message repeats nothing of the URL, which may contain a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # its message may repeat the password
            parts, port = urlsplit(""), None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.fragment or parts.path not in {"", "/"}:
            raise ValueError(
                "an SMTP URL must look like smtp://user:password@mail.example.com:587; "
                "in user and password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"
            )
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if not options.keys() <= {"tls", "ca_file", "helo"} or not all(options.values()):
            raise ValueError(
                "only tls=, ca_file= and helo= may follow the ? of an SMTP URL; write ? in a password as %3F"
            )
        implicit = parts.scheme == "smtps" or port == _PORTS["implicit"]
        tls = options.get("tls", "implicit" if implicit else "starttls")
        if tls not in _PORTS or (parts.scheme == "smtps" and tls != "implicit"):
            raise ValueError("tls= of an SMTP URL must be starttls, implicit or none; smtps:// is always implicit")
        user, password = (unquote(part or "") or None for part in (parts.username, parts.password))
        more = (options.get("ca_file"), options.get("helo"))
        return cls(parts.hostname, port or _PORTS[tls], tls, user, password, *more)  # type: ignore[arg-type]
