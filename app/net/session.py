"""The session for every outgoing request: it connects to the given URL and nowhere else."""

import os
import socket
import ssl
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from app.net import trust


class WebSession(requests.Session):
    """A session that follows no redirects, keeps no cookies, and takes no credentials from a .netrc.

    From the environment it uses only the proxies, and bypasses them for this machine.

    Attributes:
        patience: seconds that a whole exchange may take, for callers that limit it.
    """

    patience: float = 15.0

    def __init__(
        self, ca_file: "str | os.PathLike[str] | None" = None, *, direct: bool = False, connections: int | None = None
    ) -> None:
        """Prepare the session; nothing is opened or read yet.

        Args:
            ca_file: certificates to trust in addition to the system's.
            direct: whether to bypass every proxy, as for our own addresses.
            connections: the maximum number of concurrent requests, beyond which they wait; None for no maximum.
        """
        super().__init__()
        # Otherwise requests would also use .netrc, whose credentials override those of a request.
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._direct = direct
        bound = {} if connections is None else {"pool_maxsize": connections, "pool_block": True}
        adapter = _Adapter(ca_file, **bound)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: otherwise requests would read the whole body of a redirect and parse its target."""

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Use the environment's proxies, and nothing else of it."""
        found = {} if self._direct or is_here(str(url)) else get_environ_proxies(str(url))
        return super().merge_environment_settings(url, {**found, **(proxies or {})}, stream, verify, cert)


class _Adapter(HTTPAdapter):
    """Trusts the system's certificates instead of the list that comes with requests."""

    def __init__(self, ca_file: "str | os.PathLike[str] | None", **options: Any) -> None:
        self._ca_file = ca_file
        self._last: tuple[Any, Any] = None, None
        super().__init__(**options)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return trust.context(self._ca_file)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        # requests makes the key of the pool for every request, which takes a tenth of the time for sending it.
        scheme, _, rest = request.url.partition("://")
        wanted = (scheme, rest.partition("/")[0], verify, cert, tuple((proxies or {}).items()))
        last, pool = self._last
        if wanted != last:
            pool = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
            self._last = wanted, pool
        return pool

    def close(self) -> None:
        # A pool closes its connections once nothing refers to it.
        self._last = None, None
        super().close()

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify is True and host["scheme"] == "https":
            pool["ssl_context"] = self._trust
        return host, pool

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        if proxy.lower().startswith("https"):
            options["proxy_ssl_context"] = self._trust
        return super().proxy_manager_for(proxy, **options)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # Here requests sets its own list of certificates, which our context replaces.
        if verify is not True:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]


def is_here(url: str) -> bool:
    """Return whether a URL leads to this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost") or host == socket.gethostname().lower():
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def is_preparable(url: str) -> bool:
    """Return whether requests can use this address, including international names."""
    try:
        return bool(requests.Request("GET", url).prepare().url)
    except ValueError:  # requests.exceptions.InvalidURL is one
        return False
