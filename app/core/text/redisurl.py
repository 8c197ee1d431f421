"""URLs that name several servers, of which one is to be found.

`redis+sentinel://user:password@host:port,host:port/service/0` is a Redis that Sentinel monitors; several clients use
this scheme. User, password and database are those of the server, not of Sentinel.

`redis+cluster://user:password@host:port,host:port` is a Redis Cluster. Any of its nodes are named, and it has no
databases.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
CLUSTER_SCHEMES: Final = ("redis+cluster", "rediss+cluster")
_PORT: Final = 26_379
_NODE_PORT: Final = 6379
_HIGHEST_PORT: Final = 65_535
_ACCESS: Final = r"(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
_FORM: Final = re.compile(
    rf"(?P<scheme>rediss?)\+sentinel://{_ACCESS}(?P<hosts>[^@/?#]+)/(?P<service>[^/?#]+)(?:/(?P<db>[0-9]{{1,5}}))?/?"
)
_CLUSTER_FORM: Final = re.compile(rf"(?P<scheme>rediss?)\+cluster://{_ACCESS}(?P<hosts>[^@/?#]+)/?(?:(?<=/)0)?")
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
    sentinels = _addresses(found["hosts"], _PORT) if found else ()
    if not found or not sentinels:
        raise ValueError(
            "must be redis+sentinel://user:password@HOST:PORT,HOST:PORT,HOST:PORT/SERVICE-NAME/0, "
            "or rediss+sentinel://… for TLS; user, password and database are the server's and may be left out"
        )
    user, password = _access(found)
    tls = found["scheme"] == "rediss"
    return SentinelUrl(sentinels, unquote(found["service"]), int(found["db"] or 0), user, password, tls)


@dataclass(frozen=True, slots=True)
class ClusterUrl:
    """The content of the URL of a Redis Cluster.

    Attributes:
        nodes: host and port of some of its nodes.
        tls: whether to use TLS for all of them.
    """

    nodes: tuple[tuple[str, int], ...]
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False


def is_cluster(url: str) -> bool:
    return url.partition("://")[0] in CLUSTER_SCHEMES


def parse_cluster_url(url: str) -> ClusterUrl:
    """Parse a URL.

    Raises:
        ValueError: it has another form; the message never quotes the URL, which may contain a password.
    """
    found = _CLUSTER_FORM.fullmatch(url)
    nodes = _addresses(found["hosts"], _NODE_PORT) if found else ()
    if not found or not nodes:
        raise ValueError(
            "must be redis+cluster://user:password@HOST:PORT,HOST:PORT,HOST:PORT, or rediss+cluster://… for TLS; "
            "user and password may be left out, and a cluster has only database 0"
        )
    user, password = _access(found)
    return ClusterUrl(nodes, user, password, found["scheme"] == "rediss")


def names_several(url: str) -> bool:
    """Return whether a URL has one of these forms, rather than that of a single server."""
    return is_sentinel(url) or is_cluster(url)


def password_in(url: str) -> str:
    """Return the password in a URL of one of these forms; empty if there is none.

    Raises:
        ValueError: it has another form.
    """
    return parse_cluster_url(url).password if is_cluster(url) else parse_sentinel_url(url).password


def _addresses(hosts: str, port: int) -> tuple[tuple[str, int], ...]:
    """Return host and port of each; nothing if any of them is invalid."""
    found = [_HOST.fullmatch(host) for host in hosts.split(",")]
    addresses = tuple((host["ipv6"] or host["name"], int(host["port"] or port)) for host in found if host)
    valid = len(addresses) == len(found) and all(0 < number <= _HIGHEST_PORT for _, number in addresses)
    return addresses if valid else ()


def _access(found: re.Match[str]) -> tuple[str, str]:
    return unquote(found["user"] or ""), unquote(found["password"] or "")
