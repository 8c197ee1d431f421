"""Who may see and who may act: roles, and what proves one."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal

Network = IPv4Network | IPv6Network

#: A longer password is refused unseen: checking it would cost time for nothing.
LONGEST_PASSWORD: Final = 1000

_TOKEN: Final = re.compile(r"(viewer|admin):([0-9a-f]{64})")
#: What werkzeug.security.generate_password_hash writes: method, salt, 64 bytes.
_PASSWORD_HASH: Final = re.compile(r"scrypt:([0-9]{1,7}):([0-9]{1,2}):([0-9]{1,2})\$[A-Za-z0-9]{8,64}\$[0-9a-f]{128}")
#: Fewer rounds are too quick to guess; more would take the machine's memory at every login: 128 * n * r bytes.
_ROUNDS: Final = range(2**14, 2**18 + 1)
_MOST_BLOCKS: Final = 16
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,60}")
#: Headers of HTTP's own, which anybody may send.
_NO_USER_HEADER: Final = frozenset(
    {"host", "authorization", "cookie", "origin", "referer", "via", "forwarded", "x-real-ip", "x-csrf-token"}
)
_LONGEST_USER: Final = 200
#: [IPv6], [IPv6]:port or IPv4:port, as Azure's gateways and others write them into X-Forwarded-For.
_WITH_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_MAPPED_BITS: Final = 96


class Role(StrEnum):
    """What a person may do: a viewer sees everything, an admin changes things, too."""

    VIEWER = "viewer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may at least see.

    Attributes:
        name: for the audit trail: a user of the proxy, else what proved the role.
        by: what proved it.
    """

    name: str
    role: Role
    by: Literal["loopback", "session", "token", "proxy"]


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as it is configured: its role, and the SHA-256 of it."""

    role: Role
    digest: str

    @classmethod
    def parse(cls, text: str) -> "ApiToken":
        """Read `role:sha256hex`.

        Raises:
            ValueError: it is nothing of the kind; the text is not repeated, somebody may have put the token itself.
        """
        found = _TOKEN.fullmatch(text)
        if not found:
            raise ValueError("takes viewer:<sha256> or admin:<sha256>; `awb access token` makes a token and its entry")
        return cls(Role(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.role.value}:{self.digest}"

    @property
    def name(self) -> str:
        return f"token {self.digest[:8]}"


def parse_tokens(texts: Iterable[str]) -> tuple[ApiToken, ...]:
    """Read AWB_API_TOKENS.

    Raises:
        ValueError: an entry is wrong, or one token has two roles.
    """
    tokens = tuple(ApiToken.parse(text) for text in texts)
    if len({token.digest for token in tokens}) < len(tokens):
        raise ValueError("names one token twice; keep one of the two entries")
    return tokens


def token_digest(token: str) -> str:
    """Return what is kept of a token. It is random and long, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def person_of_token(tokens: Sequence[ApiToken], offered: str) -> Person | None:
    """Return who has this token; every entry is compared, so that timing reveals nothing."""
    digest = token_digest(offered)
    found = [token for token in tokens if hmac.compare_digest(token.digest, digest)]
    return Person(found[0].name, found[0].role, "token") if found else None


def check_password_hash_form(text: str) -> None:
    """Check that a text is a password's hash at a sensible cost.

    Raises:
        ValueError: it is not; the text is not repeated, somebody may have put the password itself.
    """
    found = _PASSWORD_HASH.fullmatch(text)
    if not found:
        raise ValueError("is no password hash; make one with `awb access hash`, and quote its dollar signs")
    rounds, blocks, lanes = (int(part) for part in found.groups())
    if rounds not in _ROUNDS or rounds & (rounds - 1) or not 1 <= blocks <= _MOST_BLOCKS or lanes != 1:
        raise ValueError("is a hash that is too cheap or too costly to check; make one with `awb access hash`")


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read AWB_PROXY_ADDRESSES: networks in CIDR notation, or addresses, whose ports and brackets mean nothing here.

    Raises:
        ValueError: one is no address or network, or is the whole Internet.
    """
    return tuple(_network(text) for text in texts)


def _network(text: str) -> Network:
    try:
        network = ip_network(_without_port(text))
    except ValueError:
        raise ValueError(
            f"“{text}” is no address or network such as 10.0.0.5 or 10.0.0.0/24 (host bits zero)"
        ) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped:  # addresses are compared in their IPv4 form (parse_address)
        network = ip_network(f"{mapped}/{network.prefixlen - _MAPPED_BITS}")
    if network.prefixlen == 0:
        raise ValueError(f"“{text}” would trust everybody; name the addresses of your proxies alone")
    return network


def parse_user_header(name: str) -> str:
    """Check AWB_PROXY_USER_HEADER; empty stays empty.

    Raises:
        ValueError: no such header can be told from one that anybody may send.
    """
    # WSGI reads X_User and X-User as one: what a proxy sets must differ from all that it passes on.
    if name and not _HEADER_NAME.fullmatch(name):
        raise ValueError("takes the name of one header, letters, digits and dashes, such as X-Forwarded-User")
    if name.lower() in _NO_USER_HEADER:
        raise ValueError(f"“{name}” is no header in which a proxy names the user; take X-Forwarded-User, for example")
    return name


def user_of_header(value: str) -> str | None:
    """Return the one user a proxy names, None where it names none or two.

    Args:
        value: as WSGI has it, Latin-1. A header that came twice is joined with a comma, so a name holds none.
    """
    try:
        name = value.encode("latin-1").decode("utf-8").strip()
    except UnicodeError:
        return None
    return name if name.isprintable() and "," not in name and 0 < len(name) <= _LONGEST_USER else None


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an IP address without its port, IPv4 also where it is written as IPv6; None for anything else."""
    try:
        address = ip_address(_without_port(text))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    found = _WITH_PORT.fullmatch(text)
    return found[1] or found[2] if found else text


def within(address: str, networks: Iterable[Network]) -> bool:
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in networks)


def is_loopback(address: str) -> bool:
    parsed = parse_address(address)
    return parsed is not None and parsed.is_loopback
