"""A Redis that is further away: a TCP proxy on loopback whose answers are late."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PIECE: Final = 1 << 16


@contextmanager
def further(socket_path: Path, seconds: float) -> Iterator[str]:
    """Run a proxy in a thread, and yield the URL of Redis behind it.

    Args:
        socket_path: Redis' own Unix socket.
        seconds: how much later each answer arrives; a round trip takes at least as long.
    """
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncio.start_server(lambda *client: _serve(*client, socket_path, seconds), "127.0.0.1", 0)
    )
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="far", daemon=True)
    thread.start()
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket_path: Path, seconds: float) -> None:
    far_reader, far_writer = await asyncio.open_unix_connection(str(socket_path))
    await asyncio.gather(_pass(reader, far_writer, 0), _pass(far_reader, writer, seconds))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(_PIECE):
            if seconds:
                await asyncio.sleep(seconds)
            writer.write(piece)
            await writer.drain()
    writer.close()
