"""Answers reach clients however slowly they read, and sending them holds up nobody else."""

import contextlib
import threading
from http.client import HTTPConnection
from typing import Any

import pytest
from flask import Flask, Response, request

from app.web.wire import connections, draining
from tests.conftest import PATIENCE, wait_until
from tests.web.make import read_all, serving
from tests.web.make import request as raw

BLOCK = 1 << 20
#: More than Waitress holds back for a client (16 MB).
BLOCKS = 24


def test_the_loop_rests_while_a_thread_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[Any] = []
    look = draining._look
    monkeypatch.setattr(draining, "_look", lambda *args: (turns.append(args), look(*args)))
    begun, end = threading.Event(), threading.Event()
    app = Flask("sends")

    @app.get("/slow")
    def slow() -> str:
        channel = request.environ["waitress.client_disconnected"].__self__
        # As while it sends, when it has to wait for the interpreter.
        with channel.outbuf_lock:
            channel.total_outbufs_len += 1
            begun.set()
            end.wait(PATIENCE)
            channel.total_outbufs_len -= 1
        return "slow"

    app.get("/")(lambda: "quick")
    with serving(app) as running, running.connect() as wire, contextlib.ExitStack() as stack:
        stack.callback(end.set)
        wire.sendall(raw(path="/slow", method="GET"))
        assert begun.wait(PATIENCE)
        before = len(turns)
        for _ in range(5):
            with running.connect() as other:
                other.sendall(raw(path="/", method="GET"))
                assert b"quick" in read_all(other)
        # Each of these requests takes a few turns.
        assert len(turns) - before < 200
        end.set()
        assert b"slow" in read_all(wire)


@pytest.mark.parametrize("streamed", [True, False], ids=["in parts", "at once"])
def test_a_large_answer_arrives_whole_at_a_client_that_reads_late(streamed: bool) -> None:
    written = threading.Event()
    app = Flask("large")

    @app.get("/")
    def large() -> Response:
        def parts() -> Any:
            for number in range(BLOCKS):
                # By now the client's buffer is full.
                if number == BLOCKS // 3:
                    written.set()
                yield bytes([number]) * BLOCK

        if streamed:
            return Response(parts())
        written.set()
        return Response(b"".join(parts()))

    with serving(app) as running, contextlib.closing(HTTPConnection("127.0.0.1", running.port)) as wire:
        wire.request("GET", "/")
        assert written.wait(PATIENCE)
        body = wire.getresponse().read()
    assert body == b"".join(bytes([number]) * BLOCK for number in range(BLOCKS))


def test_a_client_that_reads_no_more_of_a_large_answer_gives_back_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STUCK_SECONDS", 1.0)
    ended = threading.Event()
    app = Flask("endless")

    def parts() -> Any:
        try:
            while True:
                yield bytes(BLOCK)
        finally:
            ended.set()

    app.get("/")(lambda: Response(parts()))
    with serving(app) as running, running.connect() as wire:
        wire.sendall(raw(path="/", method="GET"))
        assert ended.wait(PATIENCE)


def test_a_client_that_does_not_read_its_answer_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 1.0)
    app = Flask("large")
    app.get("/")(lambda: bytes(8 * BLOCK))
    with serving(app) as running, running.connect() as wire:
        wire.sendall(raw(path="/", method="GET"))
        wait_until(lambda: running.server.active_channels)
        wait_until(lambda: not running.server.active_channels)


def test_a_small_answer_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    send = connections.Connection.send

    def noted(channel: connections.Connection, data: bytes, **more: bool) -> Any:
        sent.append(bytes(data))
        return send(channel, data, **more)

    monkeypatch.setattr(connections.Connection, "send", noted)
    app = Flask("small")
    app.get("/")(lambda: "small")
    with serving(app) as running, running.connect() as wire:
        wire.sendall(raw(path="/", method="GET"))
        answered = read_all(wire)
    assert answered.endswith(b"\r\n\r\nsmall")
    assert sent == [answered]
