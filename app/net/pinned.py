"""One POST to the address that was checked, and to no other.

A name is resolved once, its addresses are checked, and the connection goes to a checked one, so a name that changes to
a private address a moment later (DNS rebinding) has no effect. Redirects are not followed.
"""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout, make_headers

from app.net import trust
from app.net.session import WebSession, is_here

Ip = IPv4Address | IPv6Address

#: IPv6 addresses that contain an IPv4 address, to which translators forward (RFC 6052).
_TRANSLATED: Final = ip_network("64:ff9b::/96")
_MOST_ADDRESSES: Final = 4
_CONNECT: Final = 5.0


class PrivateAddressError(Exception):
    """The name leads only to private networks."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response; its body is not read, because it adds nothing to the status."""

    status: int
    retry_after: str | None

    @property
    def taken(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def is_public(address: Ip) -> bool:
    """Return whether an address is public, including addresses embedded in it."""
    if isinstance(address, IPv6Address):
        if address in _TRANSLATED:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if inner:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float,
    allow_private: bool = False,
    ca_file: Path | None = None,
) -> Reply:
    """POST once.

    If the environment names a proxy for this URL, the proxy resolves the name, and its own rules apply.

    Raises:
        PrivateAddressError: the name leads only to private addresses, which are not allowed.
        OSError: there was no answer; errors of urllib3 are wrapped in one.
    """
    if not is_here(url) and get_environ_proxies(url):
        return _by_proxy(url, body, headers, seconds, ca_file)
    # Prepared by requests: international names become ASCII, and invalid characters of the path are quoted.
    parts = urlsplit(requests.Request("POST", url).prepare().url or "")
    name = (parts.hostname or "").rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {**headers, "Host": _host_header(name, parts.port), **_basic(parts.username, parts.password)}
    failure: Exception = OSError("no address")
    for address in _addresses(name, port, allow_private=allow_private):
        pool = _pool(parts.scheme, name, str(address), port, seconds, ca_file)
        try:
            answer = pool.urlopen(
                "POST", path, body=body, headers=sent, retries=False, redirect=False, preload_content=False
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            failure = error
            continue
        except HTTPError as error:
            raise NoAnswerError(error) from None
        finally:
            pool.close()
        try:
            return Reply(answer.status, answer.headers.get("Retry-After"))
        finally:
            answer.close()
    raise NoAnswerError(failure) from None


class NoAnswerError(OSError):
    """There was no answer. Its text is only the kind of error, because the library's own contains URL and headers.

    Attributes:
        tls: whether there was no trusted connection.
        untrusted: whether the certificate is not trusted.
    """

    def __init__(self, error: Exception) -> None:
        inner = error.args[0] if isinstance(error, urllib3.exceptions.SSLError) and error.args else error
        super().__init__(type(error).__name__)
        self.tls = isinstance(error, urllib3.exceptions.SSLError)
        self.untrusted = self.tls and (
            trust.is_untrusted(error) or (isinstance(inner, Exception) and trust.is_untrusted(inner))
        )


def _addresses(host: str, port: int, *, allow_private: bool) -> Iterator[Ip]:
    literal = _literal(host)
    if literal:
        found = [literal]
    else:
        answers: Any = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found = list(dict.fromkeys(ip_address(sockaddr[0].partition("%")[0]) for *_, sockaddr in answers))
    allowed = [address for address in found if allow_private or is_public(address)]
    if not allowed:
        raise PrivateAddressError
    yield from allowed[:_MOST_ADDRESSES]


def _literal(host: str) -> Ip | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _pool(scheme: str, name: str, address: str, port: int, seconds: float, ca_file: Path | None) -> Any:
    timeout = Timeout(connect=min(_CONNECT, seconds), read=seconds)
    if scheme == "http":
        return urllib3.HTTPConnectionPool(address, port, timeout=timeout)
    # The certificate must be for the name, and the server is asked for the name, although we connect to its address.
    return urllib3.HTTPSConnectionPool(
        address, port, timeout=timeout, ssl_context=trust.context(ca_file), server_hostname=name
    )


def _host_header(name: str, port: int | None) -> str:
    host = f"[{name}]" if ":" in name else name
    return f"{host}:{port}" if port else host


def _basic(user: str | None, password: str | None) -> dict[str, str]:
    if user is None and password is None:
        return {}
    given = make_headers(basic_auth=f"{unquote(user or '')}:{unquote(password or '')}")
    return {"Authorization": given["authorization"]}


def _by_proxy(url: str, body: bytes, headers: Mapping[str, str], seconds: float, ca_file: Path | None) -> Reply:
    with (
        WebSession(ca_file) as session,
        session.post(
            url, data=body, headers=dict(headers), timeout=(_CONNECT, seconds), allow_redirects=False, stream=True
        ) as answer,
    ):
        return Reply(answer.status_code, answer.headers.get("Retry-After"))
