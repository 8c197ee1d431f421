"""Web addresses: whether a text is one, its parts, and where it leads."""

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

_WEB_URL: Final = re.compile(r"https?://[^\s\x00-\x1f\x7f-\x9f]+", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port: with them two addresses lead to the same server."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")


def is_web_link(url: str) -> bool:
    """Return whether this may be shown as a link."""
    return _WEB_URL.fullmatch(url) is not None


def is_web_url(url: str) -> bool:
    """Return whether this names a server, so that requests can be sent to it."""
    return is_web_link(url) and origin(url) is not None


def split_url(url: str) -> SplitResult:
    """Split a URL of any kind; empty where it is none, for the library's own error may repeat a password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return urlsplit("")
    return parts


def origin(url: str) -> Origin | None:
    """Return where a web address leads; None where it is none."""
    parts = split_url(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.port == 0:
        return None
    return Origin(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])
