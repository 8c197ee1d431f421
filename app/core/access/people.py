"""Who may read and who may make changes: roles, and the credentials that prove them."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal

Network = IPv4Network | IPv6Network

#: Longer passwords are rejected without a check, which would cost time for nothing.
LONGEST_PASSWORD: Final = 1000

_TOKEN: Final = re.compile(r"(viewer|admin):([0-9a-f]{64})")
#: The format of werkzeug.security.generate_password_hash: method, salt, 64 bytes.
_PASSWORD_HASH: Final = re.compile(r"scrypt:([0-9]{1,7}):([0-9]{1,2}):([0-9]{1,2})\$[A-Za-z0-9]{8,64}\$[0-9a-f]{128}")
#: Fewer rounds would be too easy to guess; more would take too much memory for each login: 128 * n * r bytes.
_ROUNDS: Final = range(2**14, 2**18 + 1)
_MOST_BLOCKS: Final = 16
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,60}")
#: Headers of HTTP itself, which any client may send.
_NO_USER_HEADER: Final = frozenset(
    {"host", "authorization", "cookie", "origin", "referer", "via", "forwarded", "x-real-ip", "x-csrf-token"}
)
_LONGEST_USER: Final = 200
#: [IPv6], [IPv6]:port or IPv4:port, as some gateways (Azure's, for example) write them into X-Forwarded-For.
_WITH_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_MAPPED_BITS: Final = 96


class Role(StrEnum):
    """What a person may do: a viewer can read everything; an admin can also make changes."""

    VIEWER = "viewer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    """An authenticated person, who may at least read.

    Attributes:
        name: for the audit trail: the proxy's user name, or else the kind of credential.
        by: the kind of credential.
        only: the one deployment that they may see; empty for all.
    """

    name: str
    role: Role
    by: Literal["loopback", "session", "token", "proxy"]
    only: str = ""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A configured token: its role and its SHA-256."""

    role: Role
    digest: str

    @classmethod
    def parse(cls, text: str) -> "ApiToken":
        """Parse `role:sha256hex`.

        Raises:
            ValueError: the format is wrong. The message does not repeat the text, because it may be the token itself.
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
    """Parse AWB_API_TOKENS.

    Raises:
        ValueError: an entry is invalid, or one token has two roles.
    """
    tokens = tuple(ApiToken.parse(text) for text in texts)
    if len({token.digest for token in tokens}) < len(tokens):
        raise ValueError("names one token twice; keep one of the two entries")
    return tokens


def token_digest(token: str) -> str:
    """Return the stored form of a token. Tokens are long and random, so a plain hash cannot be reversed by guessing."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def person_of_token(tokens: Sequence[ApiToken], offered: str) -> Person | None:
    """Return the owner of a token, or None; every entry is compared, so that timing reveals nothing."""
    digest = token_digest(offered)
    found = [token for token in tokens if hmac.compare_digest(token.digest, digest)]
    return Person(found[0].name, found[0].role, "token") if found else None


def check_password_hash_form(text: str) -> None:
    """Check that a text is a password hash of a reasonable cost.

    Raises:
        ValueError: it is not. The message does not repeat the text, because it may be the password itself.
    """
    found = _PASSWORD_HASH.fullmatch(text)
    if not found:
        raise ValueError("is no password hash; make one with `awb access hash`, and quote its dollar signs")
    rounds, blocks, lanes = (int(part) for part in found.groups())
    if rounds not in _ROUNDS or rounds & (rounds - 1) or not 1 <= blocks <= _MOST_BLOCKS or lanes != 1:
        raise ValueError("is a hash that is too cheap or too costly to check; make one with `awb access hash`")


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse AWB_PROXY_ADDRESSES: addresses, or networks in CIDR notation. Ports and brackets are ignored.

    Raises:
        ValueError: an entry is not an address or network, or covers the whole Internet.
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
    """Check AWB_PROXY_USER_HEADER; an empty value stays empty.

    Raises:
        ValueError: not a header name, or one that clients send themselves.
    """
    # WSGI treats X_User and X-User as the same header, so a name with an underscore could be forged.
    if name and not _HEADER_NAME.fullmatch(name):
        raise ValueError("takes the name of one header, letters, digits and dashes, such as X-Forwarded-User")
    if name.lower() in _NO_USER_HEADER:
        raise ValueError(f"“{name}” is no header in which a proxy names the user; take X-Forwarded-User, for example")
    return name


def user_of_header(value: str) -> str | None:
    """Return the user name that a proxy sent; None if there is none or more than one.

    Args:
        value: as WSGI passes it, in Latin-1. Repeated headers are joined with a comma, so a name cannot contain one.
    """
    try:
        name = value.encode("latin-1").decode("utf-8").strip()
    except UnicodeError:
        return None
    return name if name.isprintable() and "," not in name and 0 < len(name) <= _LONGEST_USER else None


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an IP address with or without a port, and return IPv4-mapped IPv6 as IPv4; None for anything else."""
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
