"""A Redis of the user who follows a guide."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.store.server.connection import connect
from tests.conftest import wait_until
from tests.guides.shell import Shell

#: Root may use its socket, too.
SOCKET = "--port 0 --save '' --unixsocketperm 777 --unixsocket"


@contextmanager
def own_redis(shell: Shell, *words: str) -> Iterator[Any]:
    """Run it with the meter's settings leading there, and yield a connection.

    Args:
        shell: the user.
        words: of its command line, such as a file of settings.
    """
    socket = shell.home / "redis.sock"
    shell.environ |= {"AWB_REDIS_URL": f"unix://{socket}", "AWB_DATA_DIR": str(shell.folder("data"))}
    with shell.start(f"exec redis-server {' '.join(words)} {SOCKET} {socket}"):
        wait_until(socket.exists)
        opened = connect(f"unix://{socket}")
        yield opened
        opened.close()
