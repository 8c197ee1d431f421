"""Where a request comes from: this machine, this site or another site."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_network
from typing import Final
from urllib.parse import urlsplit

from app.core.access.people import Network, is_loopback, parse_address, within
from app.core.text.weburl import origin as address_of

_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]{1,5})?")
_FORWARDING: Final = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip"})
_LONGEST_PATH: Final = 1000
_SITE_BITS: Final = 64


def from_this_machine(peer: str, host: str, protocol: str, headers: Iterable[str]) -> bool:
    """Return whether a request appears to come from a person on this machine.

    A request from a page that rebinds a name to loopback does not, nor does one that a proxy marks as forwarded. This
    is not proof: a proxy or forwarder on this machine can pass on a stranger's request that looks the same, because the
    client chooses the Host header and the proxy need not mark anything.

    Args:
        peer: the address of the connection's other end.
        host: the Host header.
        protocol: such as HTTP/1.1. By default nginx speaks HTTP/1.0 to its backend, rewrites Host and adds no header
            that identifies it as a proxy (ngx_http_proxy_module, proxy_http_version and proxy_set_header).
        headers: the names of all headers.
    """
    if protocol == "HTTP/1.0" or any(_forwards(name.lower()) for name in headers):
        return False
    return is_loopback(peer) and names_loopback(host)


def names_loopback(host: str) -> bool:
    """Return whether a Host header names this machine, which a page that rebound a name to loopback does not."""
    found = _HOST.fullmatch(host)
    name = (found[1] or found[2]) if found else ""
    return name.lower() == "localhost" or is_loopback(name)


def is_public(url: str) -> bool:
    """Return whether a URL leads to this service from other machines; false for an empty one."""
    host = urlsplit(url).hostname or ""
    return bool(host) and host != "localhost" and not is_loopback(host)


def _forwards(name: str) -> bool:
    return name in _FORWARDING or name.startswith("x-forwarded-")


def client_of(peer: str, forwarded_for: str, proxies: Sequence[Network]) -> str:
    """Return the client's address behind the trusted proxies: an IPv4 address, or the IPv6 network of its site.

    Everything to the left of the first address that is not a proxy's may be forged by the client.
    """
    client = peer
    for hop in reversed(forwarded_for.split(",")):
        if not within(client, proxies) or parse_address(hop.strip()) is None:
            break
        client = hop.strip()
    address = parse_address(client)
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> _SITE_BITS << _SITE_BITS, _SITE_BITS)))
    return str(address or "unknown")


def is_foreign(*, origin: str | None, fetch_site: str | None, host: str, scheme: str, public_url: str) -> bool:
    """Return whether the browser's headers say that a page of another site sent this request.

    Args:
        origin: the Origin header; None if there is none.
        fetch_site: the Sec-Fetch-Site header, which browsers omit on plain HTTP except to loopback.
        host: the Host header.
        scheme: the scheme of the request as received; behind a proxy it differs from the browser's.
        public_url: the configured public URL, which is what the browser sees in front of a proxy.
    """
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return True
    if origin is None:
        return False
    own = {address_of(f"{scheme}://{host}"), address_of(public_url)} - {None}
    return address_of(origin) not in own


def local_path(text: str | None) -> str:
    """Return a local path to redirect to after login; `/` for anything that leads to another site or back to login."""
    if not text or not text.isprintable() or "\\" in text or len(text) > _LONGEST_PATH:
        return "/"
    if not text.startswith("/") or text.startswith("//") or re.match(r"/log(in|out)(?![\w-])", text):
        return "/"
    return text
