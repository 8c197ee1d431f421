"""The path in AWB_PUBLIC_URL, which must be distinguishable from the paths of the service itself."""

import re
from typing import Final

#: The first parts of the service's own paths.
OWN_PATHS: Final = frozenset(
    {
        "alerts",
        "api",
        "badge.svg",
        "calendar.ics",
        "days",
        "deliveries",
        "deployments",
        "docs",
        "healthz",
        "login",
        "logout",
        "metrics",
        "organizations",
        "periods",
        "queues",
        "readme",
        "readyz",
        "receivers",
        "records",
        "relays",
        "silences",
        "static",
        "templates",
        "users",
        "v1",
        "wall",
    }
)
_PATH: Final = re.compile(r"(/(?!\.+(/|$))[A-Za-z0-9._~-]+)*")


def problem(path: str) -> str | None:
    """Return what is wrong with a path without a trailing slash; None if it can be used.

    A proxy may pass the path on or remove it. If it started like a path of the service, the two could not be
    distinguished.
    """
    if not _PATH.fullmatch(path):
        return "the path may have letters, digits and -._~ between single slashes, such as /awb"
    first = path.split("/")[1] if path else ""
    return (
        f"the path must not begin with /{first}, a path of the service itself; try /awb" if first in OWN_PATHS else None
    )
