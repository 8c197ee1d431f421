"""Kubernetes' service links: variables in each pod that describe every Service of its namespace.

A Service named `awb` or `awb-…` brings variables with our prefix. Names and values: Kubernetes,
pkg/kubelet/envvars/envvars.go; the name is in capitals, with underscores for dashes.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final

_PROTOCOL: Final = "TCP|UDP|SCTP"
_SHAPE: Final = re.compile(
    r"SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    rf"|PORT(?:_(?P<port>[0-9]{{1,5}})_(?P<protocol>{_PROTOCOL})(?:_(?P<part>PROTO|PORT|ADDR))?)?"
)
_LINK: Final = re.compile(rf"(?P<protocol>{_PROTOCOL})://(?P<host>.+):(?P<port>[0-9]{{1,5}})", re.IGNORECASE)


def service_links(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of variables that Kubernetes sets for a Service, whose values must also have Kubernetes' form.

    AWB_PORT=8787 and AWB_SERVICE_HOST=0.0.0.0 are mistaken settings, not service links.
    """
    for name, value in environ.items():
        # A Service may be called “awb-port”, so every underscore may be the one after its name.
        splits = ((name[: at.start()], _SHAPE.fullmatch(name, at.end())) for at in re.finditer("_", name))
        if any(shape and _is_link(service, shape, value, environ) for service, shape in splits):
            yield name


def _is_link(service: str, name: re.Match[str], value: str, environ: Mapping[str, str]) -> bool:
    port, protocol = name["port"], (name["protocol"] or "").lower()
    if name[0] == "SERVICE_HOST":
        return _is_cluster_ip(value)
    if name[0].startswith("SERVICE_PORT"):
        # A number alone could be anything, but Kubernetes also sets the address.
        return value.isdecimal() and _is_cluster_ip(environ.get(f"{service}_SERVICE_HOST", ""))
    if name["part"]:
        return {"PROTO": value == protocol, "PORT": value == port, "ADDR": _is_cluster_ip(value)}[name["part"]]
    link = _LINK.fullmatch(value)
    return bool(
        link
        and _is_cluster_ip(link["host"].strip("[]"))
        and port in (None, link["port"])
        and protocol in ("", link["protocol"].lower())
    )


def _is_cluster_ip(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast)
