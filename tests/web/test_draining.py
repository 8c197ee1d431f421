"""A receiver that is asked to stop takes no new connections, and leaves no request without its answer."""

import os
import re
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.conftest import RedisServer, wait_until
from tests.web.make import Receiver, notification, read_all, receiver, request


@pytest.fixture
def running(redis_server: RedisServer, connection: object) -> Iterator[Receiver]:
    del connection  # empties Redis
    with receiver(redis_server.url) as found:
        yield found


def post(message_id: str, connection: str = "keep-alive") -> bytes:
    body = notification(message_id)
    return request(body, Content_Length=str(len(body)), Connection=connection)


def stop(running: Receiver) -> None:
    """Ask it to stop, and wait until it takes no new connection."""
    os.kill(running.pid, signal.SIGTERM)
    wait_until(lambda: refused(running))


def refused(running: Receiver) -> bool:
    try:
        running.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def read_answer(wire: socket.socket) -> bytes:
    """Read one answer of a connection that stays open, with its body, which may come in a packet of its own."""
    found = b""
    while True:
        found += wire.recv(65_536)
        head, end, body = found.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if end and length and len(body) == int(length[1]):
            return found


def test_a_request_that_is_half_sent_is_answered_after_the_rest_has_come(running: Receiver) -> None:
    whole = post("m1", "close")
    with running.connect() as wire:
        wire.sendall(whole[:-20])
        stop(running)
        wire.sendall(whole[-20:])
        answered = read_all(wire)
    assert answered.startswith(b"HTTP/1.1 202")
    assert running.wait() == 0


def test_a_request_on_a_connection_that_was_kept_open_is_answered_and_the_connection_closed(
    running: Receiver,
) -> None:
    with running.connect() as wire:
        wire.sendall(post("m1"))
        assert read_answer(wire).startswith(b"HTTP/1.1 202")
        stop(running)
        wire.sendall(post("m2"))
        answered = read_all(wire)
    assert answered.startswith(b"HTTP/1.1 202")
    assert b"connection: close" in answered.lower()
    assert running.wait() == 0


def test_connections_that_stay_quiet_do_not_hold_up_the_end(running: Receiver) -> None:
    with running.connect() as kept, running.connect() as silent:
        kept.sendall(post("m1"))
        read_answer(kept)
        stop(running)
        assert (read_all(kept), read_all(silent)) == (b"", b"")
    assert running.wait() == 0
