"""The paths of requests and links: too many slashes, and the path that the meter is published under.

Behind a path, such as https://coder.example.com/awb, a proxy may remove the path or pass it on: both are understood,
and links always have it. It comes from AWB_PUBLIC_URL alone; no header that a client could write is read for it.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import request

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def plain_path(path: str, base: str) -> str:
    """Return a path without the path that we are published under, and one in /v1/ without odd slashes.

    A redirect or a 404 because of a slash too many would lose what other services post.
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
    """Wrap an application so that it knows the paths of `plain_path`, and writes its own ones behind `base`."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["PATH_INFO"] = plain_path(environ.get("PATH_INFO", ""), base)
        environ["SCRIPT_NAME"] = base
        return wsgi(environ, start_response)

    return call


def rooted(path: str) -> str:
    """Return where a browser finds a path of ours."""
    return request.script_root + path
