"""The receiver's channel to Redis: one connection per thread, one script call per POST.

redis-py opens the connection (address, TLS, password, database). The receiver's single call is then written and read
here, because it determines the request rate: a Python socket with a timeout needs two system calls for each read, and
each one hands the interpreter lock to another thread. `make bench` shows the difference.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from typing import Any, Final

import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from app.store.server.connection import script, script_text
from app.store.server.replicas import Replicas
from app.store.server.watched import Silence, is_no_master

#: Of a plain socket by the kernel, of TLS by Python.
_TIME_IS_OVER: Final = (BlockingIOError, TimeoutError)


class Channel:
    """Calls one script that returns an integer; safe to share between threads.

    Args:
        connection: whose address and certificates it uses.
        script_name: of app/store/scripts.
        replicas: which must have what the script wrote before it is answered.
    """

    def __init__(self, connection: "redis.Redis", script_name: str, replicas: Replicas | None = None) -> None:
        self.replicas = replicas or Replicas()
        self._wait = [self.replicas.command] if self.replicas.number else []
        self._pool = connection.connection_pool
        self._text = script_text(script_name).encode()
        self._sha = str(script(connection, script_name).sha).encode()
        self._local = threading.local()

    def call(self, keys: Sequence[bytes], args: Sequence[bytes]) -> int:
        """Run the script and return its answer.

        A connection that is broken, or leads to a server that is no longer a master, is reopened once, so the script
        may run twice. The answer is awaited once, for the pool's `socket_timeout`.

        Raises:
            redis.exceptions.RedisError: Redis did not confirm the call, or too few replicas have what it wrote.
            OSError: the same.
        """
        tail = (b"%d" % len(keys), *keys, *args)
        kept = getattr(self._local, "connection", None)
        if kept is not None and kept.silence:
            kept.silence.check()
        if kept is not None and not kept.outdated:
            try:
                return self._once(kept, tail)
            except _TIME_IS_OVER:  # a new connection would only wait again
                raise
            except (RedisConnectionError, OSError):
                pass
        elif kept is not None:
            self._drop(kept)
        return self._once(self._open(), tail)

    def _once(self, connection: Any, tail: Sequence[bytes]) -> int:
        try:
            try:
                answers = _exchange(connection, [(b"EVALSHA", self._sha, *tail), *self._wait])
            except NoScriptError:
                answers = _exchange(connection, [(b"EVAL", self._text, *tail), *self._wait])
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
        if self._wait:
            self.replicas.check(answers[1])
        return answers[0]

    def _drop(self, connection: Any) -> None:
        self._local.connection = None
        connection.disconnect()

    def _open(self) -> Any:
        connection: Any = self._pool.connection_class(**self._pool.connection_kwargs)
        connection.connect()
        seconds = self._pool.connection_kwargs["socket_timeout"]
        wait = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        wire = connection._sock  # noqa: SLF001 - see the module's docstring
        # With TLS Python keeps the time: OpenSSL would take what the kernel says at its end for "try again".
        if not isinstance(wire, ssl.SSLSocket):
            wire.settimeout(None)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        self._local.connection = connection
        return connection


def _exchange(connection: Any, commands: Sequence[Sequence[bytes]]) -> list[int]:
    wire = connection._sock  # noqa: SLF001 - see the module's docstring
    silence: Silence | None = connection.silence
    try:
        wire.sendall(b"".join(map(_pack, commands)))
        answer: bytes = wire.recv(4096)
        # Every answer is one line.
        while answer and not (answer.endswith(b"\r\n") and answer.count(b"\r\n") == len(commands)):
            more = wire.recv(4096)
            answer = answer + more if more else b""
    except _TIME_IS_OVER:
        if silence:
            silence.begin()
        raise
    if silence:
        silence.end()
    return [_integer(connection, line) for line in answer.split(b"\r\n")[:-1] or [b""]]


def _integer(connection: Any, line: bytes) -> int:
    if line.startswith(b":"):
        return int(line[1:])
    if line.startswith(b"-"):
        raise connection._parser.parse_error(line[1:].decode(errors="replace"))  # noqa: SLF001
    raise RedisConnectionError("Redis answered something unexpected" if line else "Redis closed the connection")


def _pack(parts: Sequence[bytes]) -> bytes:
    return b"*%d\r\n%b" % (len(parts), b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]))
