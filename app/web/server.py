"""Waitress on one listening socket, which several processes may share."""

import resource
import socket
from typing import Final

from flask import Flask

from app.config.settings import Settings
from app.web.wire.connections import Server

#: Connections of a process at most, and the file descriptors that it needs besides.
_MOST_CONNECTIONS: Final = 1000
_OTHER_FILES: Final = 256


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen, before any process is started, so that all of them take connections from one queue.

    Raises:
        OSError: the address is taken or not allowed.
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
    """Build the server: many slow clients must not keep Coder's POSTs waiting.

    Refused posts of the application are written from now on; `app.extensions` holds what stops it.
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
        # Waitress refuses from this number on, we refuse beyond ours.
        max_request_body_size=settings.max_body_bytes + 1,
        # Bodies this small stay in memory; nothing of a delivery touches the disk outside Redis.
        inbuf_overflow=settings.max_body_bytes + 16_384,
        # The API refuses what a proxy forwarded: it has to see that one did.
        clear_untrusted_proxy_headers=False,
        ident=None,
        asyncore_use_poll=True,
    )
    if built.refusals is not None:
        built.refusals.start()
    return built


def _room_for_connections() -> int:
    """Return how many connections the file descriptors allow, raising the soft limit as far as needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(50, min(_MOST_CONNECTIONS, soft - _OTHER_FILES))
