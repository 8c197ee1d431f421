"""Slashes too many in the paths of /v1/ change nothing: a redirect or a 404 would lose what other services post."""

import re
from collections.abc import Callable, Iterable
from typing import Any

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def plain_path(path: str) -> str:
    """Return a path under /v1/ without odd slashes, any other as it is."""
    if "//" in path or path.endswith("/"):
        plain = re.sub("/{2,}", "/", path).rstrip("/")
        if plain.startswith("/v1/"):
            return plain
    return path


def without_odd_slashes(wsgi: WsgiApp) -> WsgiApp:
    """Wrap an application, which would redirect from /v1//webhook and not know /v1/webhook/."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["PATH_INFO"] = plain_path(environ.get("PATH_INFO", ""))
        return wsgi(environ, start_response)

    return call
