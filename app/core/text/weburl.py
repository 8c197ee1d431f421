"""Web addresses: validation, their parts, and their origin."""

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

_WEB_URL: Final = re.compile(r"https?://[^\s\x00-\x1f\x7f-\x9f]+", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port: two addresses with the same origin lead to the same server."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")


def is_web_link(url: str) -> bool:
    """Return whether the URL may be shown as a link."""
    return _WEB_URL.fullmatch(url) is not None


def is_web_url(url: str) -> bool:
    """Return whether the URL names a server to which requests can be sent."""
    return is_web_link(url) and origin(url) is not None


def split_url(url: str) -> SplitResult:
    """Split a URL; all parts are empty if it is invalid, because the library's error could contain a password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return urlsplit("")
    return parts


def origin(url: str) -> Origin | None:
    """Return the origin of a web address; None if it has none."""
    parts = split_url(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.port == 0:
        return None
    return Origin(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])
