"""The receiver's channel to Redis: one connection per thread, one script call per POST.

redis-py opens the connection (address, TLS, password, database). The receiver's single call is then written and read
here, because it determines the request rate: a Python socket with a timeout needs two system calls for each read, and
each one hands the interpreter lock to another thread. `make bench` shows the difference.
"""

import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from app.store.server.connection import Silence, is_no_master, script, script_text


class Channel:
    """Calls one script that returns an integer; safe to share between threads."""

    def __init__(self, connection: "redis.Redis", script_name: str) -> None:
        self._pool = connection.connection_pool
        self._text = script_text(script_name).encode()
        self._sha = str(script(connection, script_name).sha).encode()
        self._local = threading.local()

    def call(self, keys: Sequence[bytes], args: Sequence[bytes]) -> int:
        """Run the script and return its answer.

        A connection that is broken, or leads to a server that is no longer a master, is reopened once, so the script
        may run twice. The answer is awaited once, for the pool's `socket_timeout`.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm the call.
            OSError: the same.
        """
        tail = (b"%d" % len(keys), *keys, *args)
        kept = getattr(self._local, "connection", None)
        if kept is not None and kept.silence:
            kept.silence.check()
        if kept is not None and not kept.outdated:
            try:
                return self._once(kept, tail)
            except BlockingIOError:  # the time is up; a new connection would only wait again
                raise
            except (RedisConnectionError, OSError):
                pass
        elif kept is not None:
            self._drop(kept)
        return self._once(self._open(), tail)

    def _once(self, connection: Any, tail: Sequence[bytes]) -> int:
        try:
            try:
                return _exchange(connection, (b"EVALSHA", self._sha, *tail))
            except NoScriptError:
                return _exchange(connection, (b"EVAL", self._text, *tail))
        except RedisError as error:
            if is_no_master(error):
                self._drop(connection)
                raise connection.moved(error) from error
            if isinstance(error, RedisConnectionError):
                self._drop(connection)
            # After any other refusal by Redis itself the connection is intact.
            raise
        except BaseException:
            # Part of a request or of an answer may be on the wire.
            self._drop(connection)
            raise

    def _drop(self, connection: Any) -> None:
        self._local.connection = None
        connection.disconnect()

    def _open(self) -> Any:
        connection: Any = self._pool.connection_class(**self._pool.connection_kwargs)
        connection.connect()
        seconds = self._pool.connection_kwargs["socket_timeout"]
        wait = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        connection._sock.settimeout(None)  # noqa: SLF001 - the kernel keeps the time instead
        connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)  # noqa: SLF001
        connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)  # noqa: SLF001
        self._local.connection = connection
        return connection


def _exchange(connection: Any, parts: Sequence[bytes]) -> int:
    wire = connection._sock  # noqa: SLF001 - see the module's docstring
    silence: Silence | None = connection.silence
    try:
        wire.sendall(_pack(parts))
        answer: bytes = wire.recv(4096)
        while answer and not answer.endswith(b"\r\n"):
            answer += wire.recv(4096)
    except BlockingIOError:
        if silence:
            silence.begin()
        raise
    if silence:
        silence.end()
    if answer.startswith(b":"):
        return int(answer[1:])
    if answer.startswith(b"-"):
        raise connection._parser.parse_error(answer[1:-2].decode(errors="replace"))  # noqa: SLF001
    raise RedisConnectionError("Redis closed the connection" if not answer else "Redis answered something unexpected")


def _pack(parts: Sequence[bytes]) -> bytes:
    return b"*%d\r\n%b" % (len(parts), b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]))
