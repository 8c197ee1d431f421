"""The paths of requests and links: surplus slashes, and a path prefix under which the meter is published.

For a URL with a path, such as https://coder.example.com/awb, a proxy may remove the prefix or pass it on: both work,
and links always have it. It comes only from AWB_PUBLIC_URL, never from a header that a client could write.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import request

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def plain_path(path: str, base: str) -> str:
    """Return a path without our prefix and, in /v1/, without surplus slashes.

    A redirect or a 404 because of a surplus slash would lose what other services post.
    """
    if base and (path + "/").startswith(base + "/"):
        path = path[len(base) :] or "/"
    if "//" in path or path.endswith("/"):
        plain = re.sub("/{2,}", "/", path).rstrip("/")
        if base and plain.startswith(f"{base}/v1/"):
            plain = plain[len(base) :]
        if plain.startswith("/v1/"):
            return plain
    return path


def with_plain_paths(wsgi: WsgiApp, base: str) -> WsgiApp:
    """Wrap an application so that it gets the paths of `plain_path`, and its own links have the prefix `base`."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["PATH_INFO"] = plain_path(environ.get("PATH_INFO", ""), base)
        environ["SCRIPT_NAME"] = base
        return wsgi(environ, start_response)

    return call


def rooted(path: str) -> str:
    """Return one of our paths as a browser must request it."""
    return request.script_root + path
