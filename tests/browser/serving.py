"""The pages on a loopback port, and how Debian's Chromium is started."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import make_server

from tests.conftest import PATIENCE

CHROMIUM = shutil.which("chromium")


def arguments() -> list[str]:
    """Return Chromium's arguments; its sandbox does not run as root."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve until the end of the block; yields the address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()
