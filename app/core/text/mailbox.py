"""Mail addresses: parsing, the form for SMTP, and which spellings are the same recipient.

RFC 5322 section 3.4, RFC 5891 (IDNA) and RFC 6531 (SMTPUTF8). Quoted local parts and address literals are not
supported.
"""

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

import idna

from app.core.text.lines import one_line
from app.core.text.parsed import Parsed

_HINT: Final = "use an address such as ops@example.com, or Ops <ops@example.com>"
_MAILBOX: Final = re.compile(
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<name>[^<>"@,;:\\]*?))\s*<\s*(?P<address>[^<>]*?)\s*>'
)
# ASCII specials as in RFC 5322's dot-atom; other characters need SMTPUTF8 and only have to be printable.
_LOCAL: Final = re.compile(r"[\w.!#$%&'*+/=^`{|}~\u0080-\U0010ffff-]+")
_ASCII_DOMAIN: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_LONGEST: Final = 254
_SEPARATOR: Final = re.compile(r'\s*((?:[^,;\n"]|"(?:[^"\\]|\\.)*")+)\s*')


@dataclass(frozen=True, slots=True)
class Mailbox(Parsed):
    """An address with an optional display name.

    Attributes:
        local: the part before the @, as written.
        domain: in lower case and in the form for DNS: labels that are not ASCII begin with `xn--`.
        name: the display name, or empty.
    """

    local: str
    domain: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> "Mailbox":
        """Parse `ops@example.com` or `Ops <ops@example.com>`; both parts of the address may be international.

        Raises:
            ValueError: with the allowed forms.
        """
        found = _MAILBOX.fullmatch(text.strip())
        address = found["address"] if found else text.strip()
        name = re.sub(r"\\(.)", r"\1", found["quoted"]) if found and found["quoted"] else found["name"] if found else ""
        local, _, domain = address.rpartition("@")
        local = unicodedata.normalize("NFC", local)
        if not _LOCAL.fullmatch(local) or not local.isprintable() or name != one_line(name):
            raise ValueError(f"is no address: {_HINT}")
        mailbox = cls(local, ascii_host(domain) or "", name)
        if not mailbox.domain or len(mailbox.address) > _LONGEST:
            raise ValueError(f"is no address: {_HINT}")
        return mailbox

    @property
    def address(self) -> str:
        """The address for SMTP, which is ASCII unless the local part is not."""
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """The address as people read it, in lower case: the same for all spellings.

        Local parts are case-sensitive by the standard, but mail servers ignore case.
        """
        return f"{self.local.casefold()}@{_readable(self.domain)}"

    def __str__(self) -> str:
        shown = f"{self.local}@{_readable(self.domain)}"
        if not self.name:
            return shown
        plain = re.fullmatch(r'[^<>"@,;:\\]*', self.name)
        name = self.name if plain else '"' + re.sub(r'(["\\])', r"\\\1", self.name) + '"'
        return f"{name} <{shown}>"


def mailboxes(text: str) -> list[str]:
    """Split a list at its commas, semicolons and line breaks, except inside quotation marks."""
    return [part.strip() for part in _SEPARATOR.findall(text) if part.strip()]


def ascii_host(host: str) -> str | None:
    """Return a host name in its DNS form, in lower case and without a trailing dot; None if it is not a host name."""
    name = host.lower().removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return None
    return name if _ASCII_DOMAIN.fullmatch(name) else None


def address_literal(host: str) -> str | None:
    """Return an IP address in the form of SMTP and message ids, such as [IPv6:::1] (RFC 5321, section 4.1.3)."""
    try:
        found = ip_address(host.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return None
    return f"[IPv6:{found.compressed}]" if isinstance(found, IPv6Address) else f"[{found}]"


def receiver_key(receiver: str) -> str:
    """Normalize the name of a receiver, or a glob of such names.

    Only e-mail addresses have several spellings: `email:Ops@EXAMPLE.com` becomes `email:ops@example.com`.
    """
    kind, _, address = receiver.partition(":")
    if kind != "email" or not address:
        return receiver
    try:
        return f"email:{Mailbox.parse(address).key}"
    except ValueError:  # a glob
        return receiver.lower()


def _readable(domain: str) -> str:
    try:
        return str(idna.decode(domain))
    except (idna.IDNAError, UnicodeError):  # such as dashes that registries forbid but DNS allows
        return domain
