"""Waitress on one listening socket, which several processes may share."""

import resource
import socket
from typing import Final

from flask import Flask

from app.config.settings import Settings
from app.web.wire.connections import Server

#: The maximum number of connections of a process, and the file descriptors that it needs in addition.
_MOST_CONNECTIONS: Final = 1000
_OTHER_FILES: Final = 256


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen before any process is started, so that all of them accept connections from one queue.

    Raises:
        OSError: the address is in use or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(1024)
    return listener


def server(app: Flask, settings: Settings, listener: socket.socket) -> Server:
    """Build the server so that many slow clients cannot delay Coder's POSTs.

    From now on the application's refused posts are written; `app.extensions` has the object that stops this.
    """
    built = Server(
        app,
        listener,
        share=settings.max_connections_per_address,
        proxies=settings.proxy_addresses,
        threads=settings.web_threads,
        connection_limit=_room_for_connections(),
        channel_timeout=30,
        cleanup_interval=1,
        max_request_header_size=16_384,
        # Waitress refuses bodies of this size and above, we refuse those above our limit.
        max_request_body_size=settings.max_body_bytes + 1,
        # Bodies of this size stay in memory, so that no delivery is written to disk outside Redis.
        inbuf_overflow=settings.max_body_bytes + 16_384,
        # The API refuses forwarded requests, so it has to see that a proxy forwarded them.
        clear_untrusted_proxy_headers=False,
        ident=None,
        asyncore_use_poll=True,
    )
    if built.refusals is not None:
        built.refusals.start()
    return built


def _room_for_connections() -> int:
    """Return how many connections the file descriptors allow, after raising the soft limit if possible and needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(50, min(_MOST_CONNECTIONS, soft - _OTHER_FILES))
