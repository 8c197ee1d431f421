"""URLs of a Redis that Sentinel monitors: `redis+sentinel://user:password@host:port,host:port/service/0`.

Several clients use this scheme. User, password and database are those of the server, not of Sentinel.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
_PORT: Final = 26_379
_HIGHEST_PORT: Final = 65_535
_FORM: Final = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<hosts>[^@/?#]+)/(?P<service>[^/?#]+)(?:/(?P<db>[0-9]{1,5}))?/?"
)
_HOST: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """The content of such a URL.

    Attributes:
        sentinels: host and port of each.
        service: the name under which Sentinel knows the master.
        tls: whether to use TLS for sentinels and servers.
    """

    sentinels: tuple[tuple[str, int], ...]
    service: str
    db: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False


def is_sentinel(url: str) -> bool:
    return url.partition("://")[0] in SCHEMES


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Parse a URL.

    Raises:
        ValueError: it has another form; the message never quotes the URL, which may contain a password.
    """
    found = _FORM.fullmatch(url)
    hosts = [_HOST.fullmatch(host) for host in found["hosts"].split(",")] if found else []
    sentinels = tuple((host["ipv6"] or host["name"], int(host["port"] or _PORT)) for host in hosts if host)
    if not found or len(sentinels) != len(hosts) or any(not 0 < port <= _HIGHEST_PORT for _, port in sentinels):
        raise ValueError(
            "must be redis+sentinel://user:password@HOST:PORT,HOST:PORT,HOST:PORT/SERVICE-NAME/0, "
            "or rediss+sentinel://… for TLS; user, password and database are the server's and may be left out"
        )
    user, password = (unquote(found[part] or "") for part in ("user", "password"))
    tls = found["scheme"] == "rediss"
    return SentinelUrl(sentinels, unquote(found["service"]), int(found["db"] or 0), user, password, tls)
