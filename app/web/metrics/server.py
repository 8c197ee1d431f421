"""A separate address for /metrics, /healthz and /readyz, so that a scraper needs no access to anything else.

Every web process serves it on one shared listening socket, like the main one. All values are in Redis, so any process
can answer, and it is available as long as one of them is.
"""

import socket
import threading
from typing import Any, Final

import redis
from flask import Flask

from app.config.load import Config
from app.config.settings import Settings
from app.web import health, server
from app.web.metrics import routes as metrics

#: A scrape takes milliseconds; the second thread is for a slow client.
_THREADS: Final = 2


def create_app(config: Config, connection: "redis.Redis") -> Flask:
    """Build the application, which has no authentication."""
    app = Flask("app.web.metrics", static_folder=None)
    app.register_blueprint(metrics.blueprint(config, connection))
    app.register_blueprint(health.blueprint(config, connection))
    return app


def listen(settings: Settings) -> socket.socket | None:
    """Listen on AWB_METRICS_BIND; None if it is not set.

    Raises:
        OSError: the address is in use or not allowed.
    """
    return server.listen(*settings.metrics_address) if settings.metrics_address else None


def start(config: Config, connection: "redis.Redis", listener: socket.socket) -> Any:
    """Serve in a separate thread, so that its clients cannot delay Coder's POSTs.

    Returns:
        The server; the thread ends with the process.
    """
    settings = config.settings.model_copy(update={"web_threads": _THREADS})
    serving = server.server(create_app(config, connection), settings, listener)
    threading.Thread(target=serving.run, name="metrics", daemon=True).start()
    return serving
