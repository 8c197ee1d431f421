"""A receiver that is asked to stop takes no new connections, and leaves no request without its answer."""

import re
import socket
from collections.abc import Iterator

import pytest
from flask import Flask

from app.web.wire import draining
from tests.conftest import PATIENCE, RedisServer, wait_until
from tests.web.make import Receiver, Serving, notification, read_all, receiver, request, serving

KEPT_OPEN = request(path="/", method="GET", Connection="keep-alive")


@pytest.fixture
def running(redis_server: RedisServer, connection: object) -> Iterator[Receiver]:
    del connection  # empties Redis
    with receiver(redis_server.url) as found:
        yield found


def post(message_id: str, connection: str = "keep-alive") -> bytes:
    body = notification(message_id)
    return request(body, Content_Length=str(len(body)), Connection=connection)


def stop(running: Receiver | Serving) -> None:
    """Ask it to stop, and wait until it takes no new connection."""
    running.stop()
    wait_until(lambda: refused(running))


def refused(running: Receiver | Serving) -> bool:
    try:
        running.connect().close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was waiting to be accepted when the socket was closed
        return False
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


@pytest.fixture
def answering() -> Flask:
    app = Flask("answers")
    app.get("/")(lambda: "answered")
    return app


def test_a_request_on_a_connection_that_was_kept_open_is_answered_and_the_connection_closed(
    answering: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "QUIET_SECONDS", PATIENCE)
    with serving(answering) as running, running.connect() as wire:
        wire.sendall(KEPT_OPEN)
        assert b"connection: close" not in read_answer(wire).lower()
        stop(running)
        wire.sendall(KEPT_OPEN)
        answered = read_all(wire)
        assert answered.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answered.lower()
        assert running.ended.wait(PATIENCE)


def test_a_request_that_came_in_time_is_answered_however_slowly_the_receiver_reads_it(
    answering: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "QUIET_SECONDS", -1.0)
    server = serving(answering).server
    with socket.create_connection(server.socket.getsockname(), timeout=PATIENCE) as wire:
        wire.sendall(KEPT_OPEN)
        draining.drain(server, PATIENCE)
        server.close()
        assert read_all(wire).startswith(b"HTTP/1.1 200")


def test_connections_that_stay_quiet_do_not_hold_up_the_end(running: Receiver) -> None:
    with running.connect() as kept, running.connect() as silent:
        kept.sendall(post("m1"))
        read_answer(kept)
        stop(running)
        assert (read_all(kept), read_all(silent)) == (b"", b"")
    assert running.wait() == 0
