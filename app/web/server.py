"""Waitress on one listening socket, which several processes may share."""

import socket
from typing import Any

import waitress
from flask import Flask
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask
from waitress.utilities import RequestEntityTooLarge

from app.config.settings import Settings
from app.core.alert.refusal import Refusal
from app.web.refusals import EXTENSION, Refusals


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


def server(app: Flask, settings: Settings, listener: socket.socket) -> Any:
    """Build the server: many slow clients must not keep Coder's POSTs waiting.

    Refused posts of the application are written from now on; `app.extensions` holds what stops it.
    """
    built = waitress.create_server(
        app,
        sockets=[listener],
        threads=settings.web_threads,
        connection_limit=1000,
        channel_timeout=30,
        cleanup_interval=10,
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
    refusals: Refusals | None = app.extensions.get(EXTENSION)
    if refusals is not None:
        built.channel_class = _channel_class(refusals)
        refusals.start()
    return built


def _channel_class(refusals: Refusals) -> type[HTTPChannel]:
    """Count the posts that Waitress refuses by itself, before it reads their body."""

    class Refused(ErrorTask):  # type: ignore[misc]
        def execute(self) -> None:
            if isinstance(self.request.error, RequestEntityTooLarge) and self.request.path.startswith("/v1/webhook"):
                refusals.count(Refusal.TOO_LARGE)
            super().execute()

    class Channel(HTTPChannel):  # type: ignore[misc]
        error_task_class = Refused

    return Channel
