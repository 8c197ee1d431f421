"""Where a request comes from: this machine, this site, another one."""

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
    """Return whether a request looks like that of a person on this machine.

    A page that rebinds a name to loopback does not, nor does what a proxy marks as forwarded. It is no proof: through a
    proxy or forwarder on this machine a stranger can send a request that looks the same, because the client writes the
    Host and a proxy need not mark anything.

    Args:
        peer: address of the other end.
        host: the Host header.
        protocol: such as HTTP/1.1. In nginx's default a proxy speaks 1.0 to what is behind it, rewrites the Host
            and adds nothing that would give it away (ngx_http_proxy_module, proxy_http_version and proxy_set_header).
        headers: names of all headers.
    """
    if protocol == "HTTP/1.0" or any(_forwards(name.lower()) for name in headers):
        return False
    return is_loopback(peer) and names_loopback(host)


def names_loopback(host: str) -> bool:
    """Return whether a Host header names this machine; one that a page rebound to loopback does not."""
    found = _HOST.fullmatch(host)
    name = (found[1] or found[2]) if found else ""
    return name.lower() == "localhost" or is_loopback(name)


def is_public(url: str) -> bool:
    """Return whether a URL leads to this service from other machines; an empty one does not."""
    host = urlsplit(url).hostname or ""
    return bool(host) and host != "localhost" and not is_loopback(host)


def _forwards(name: str) -> bool:
    return name in _FORWARDING or name.startswith("x-forwarded-")


def client_of(peer: str, forwarded_for: str, proxies: Sequence[Network]) -> str:
    """Return whose address is behind the trusted proxies, one text per IPv4 address or IPv6 network of a site.

    What stands left of the first address that is no proxy's may be forged by the client.
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
    """Return whether a browser says that another site's page sent this request.

    Args:
        origin: the Origin header, None if there is none.
        fetch_site: the Sec-Fetch-Site header; browsers leave it out on plain HTTP except to loopback.
        host: the Host header.
        scheme: of the request as it arrived here, behind a proxy not that of the browser.
        public_url: the configured one, which names the browser's side of a proxy.
    """
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return True
    if origin is None:
        return False
    own = {address_of(f"{scheme}://{host}"), address_of(public_url)} - {None}
    return address_of(origin) not in own


def local_path(text: str | None) -> str:
    """Return a path of this site to go to after the login; `/` for whatever leads elsewhere or back to the login."""
    if not text or not text.isprintable() or "\\" in text or len(text) > _LONGEST_PATH:
        return "/"
    if not text.startswith("/") or text.startswith("//") or re.match(r"/log(in|out)(?![\w-])", text):
        return "/"
    return text
