"""However many clients send slowly, Coder's deliveries are taken as if they were not there."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import pytest
import redis
from flask import Flask
from waitress.adjustments import Adjustments

from app.store.rq import jobqueue
from app.web import server
from app.web.wire import bodies, connections, parser
from tests.conftest import PATIENCE, RedisServer, make_config, wait_until
from tests.web.drippers import BODY, Drippers
from tests.web.make import Receiver, Serving, basic, notification, receiver, request, serving

DELIVERIES = 40


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    """Let this process, and the receivers that it starts, open as many sockets as the tests need."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(4096, before[1])), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def receiving(redis_server: RedisServer, connection: "redis.Redis") -> Iterator[Receiver]:
    with receiver(redis_server.url) as running:
        yield running


def deliver_all(running: Receiver) -> list[int]:
    codes = []
    for number in range(DELIVERIES):
        body = notification(f"normal-{number}")
        codes.append(int(running.ask(request(body, Content_Length=str(len(body)))).split(b" ", 2)[1]))
    return codes


@pytest.mark.slow
@pytest.mark.parametrize("count", [150, 1050])
@pytest.mark.parametrize("spread", [1, 30], ids=["one address", "thirty addresses"])
def test_dripping_clients_leave_every_delivery_untouched(
    receiving: Receiver, connection: "redis.Redis", count: int, spread: int
) -> None:
    with Drippers(receiving.port, count, address=lambda number: f"127.0.0.{1 + number % spread}") as drippers:
        assert deliver_all(receiving) == [202] * DELIVERIES
        # And after the first of them were cut off.
        wait_until(lambda: drippers.cut_off > 0)
        assert deliver_all(receiving) == [200] * DELIVERIES
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).count == DELIVERIES
    assert b"dripped" not in b" ".join(connection.scan_iter())


def is_closed_while_dripping(running: Serving, first: bytes) -> bool:
    """Send these bytes, then drip spaces, if it was anything, and return whether the other side closed."""
    with running.connect() as wire:
        wire.settimeout(0.05)
        wire.sendall(first)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                wire.sendall(first and b" ")
                if wire.recv(65_536) == b"":
                    return True
            except TimeoutError:
                continue
            except OSError:
                return True
    return False


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(b"", id="silence"),
        pytest.param(b"POST /v1/webhook HTTP/1.1\r\nX-A: ", id="a head"),
        pytest.param(request(Content_Length="1000000") + BODY, id="a body"),
    ],
)
def test_head_body_and_silence_have_deadlines_that_no_byte_puts_off(
    first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((parser, "HEAD_SECONDS"), (parser, "BODY_SECONDS"), (connections, "HEAD_SECONDS")):
        monkeypatch.setattr(module, name, 1.0)
    app = Flask("none")
    app.extensions[bodies.EXTENSION] = bodies.Bodies(lambda *_: bodies.Grant(1_000_000, known=True))
    with serving(app, max_connections_per_address=0) as running:
        assert is_closed_while_dripping(running, first)


def test_a_body_has_a_deadline_of_its_own_that_no_byte_puts_off() -> None:
    begun = time.monotonic()
    read = parser.Parser(Adjustments(), bodies.Bodies(lambda *_: bodies.Grant(1_000_000, known=True)))
    head, _, body = request(Content_Length=str(len(BODY)), body=BODY).partition(b"\r\n\r\n")
    read.received(head[:20])
    of_head = read.deadline
    assert begun + parser.HEAD_SECONDS <= of_head <= time.monotonic() + parser.HEAD_SECONDS
    read.received(head[20:])
    assert read.deadline == of_head
    read.received(b"\r\n\r\n")
    of_body = read.deadline
    assert begun + parser.BODY_SECONDS <= of_body <= time.monotonic() + parser.BODY_SECONDS
    read.received(body[:20])
    assert read.deadline == of_body
    assert not read.completed


@pytest.mark.slow
def test_a_connection_with_the_secret_outlives_drippers_of_the_same_address(receiving: Receiver) -> None:
    """As with a proxy that forwards connections as they come: everything has its address."""
    with contextlib.closing(HTTPConnection("127.0.0.1", receiving.port, timeout=20)) as wire:
        assert post(wire, "first") == 202
        socket_before = wire.sock
        with Drippers(receiving.port, 150, ["head"]) as drippers:
            wait_until(lambda: drippers.cut_off >= 50)
            assert post(wire, "second") == 202
        assert wire.sock is socket_before


def post(wire: HTTPConnection, message_id: str) -> int:
    wire.request("POST", "/v1/webhook", notification(message_id), basic())
    answer = wire.getresponse()
    answer.read()
    return answer.status


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({"max_connections_per_address": 5}, 5), ({"proxy_addresses": "127.0.0.1"}, 130)],
    ids=["a share of five", "a configured proxy"],
)
def test_an_address_keeps_its_share_and_a_proxy_all(
    settings: dict[str, Any], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that none is closed because it stays quiet.
    monkeypatch.setattr(parser, "HEAD_SECONDS", 10 * PATIENCE)
    with serving(Flask("none"), **settings) as running, ExitStack() as stack:
        wires = [stack.enter_context(running.connect()) for _ in range(130)]
        for wire in wires:
            wire.sendall(b"POST ")
        wait_until(lambda: sum(map(is_open, wires)) <= kept)
        assert sum(map(is_open, wires)) == kept
        # The youngest are left.
        assert all(map(is_open, wires[-kept:]))


def is_open(wire: socket.socket) -> bool:
    wire.setblocking(False)
    try:
        return wire.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_the_limit_of_the_process_takes_from_the_address_with_the_most() -> None:
    serving = server.server(Flask("none"), make_config().settings, server.listen("127.0.0.1", 0))
    try:
        serving.adj.connection_limit = 20
        few = [pretended(serving, "192.0.2.1") for _ in range(5)]
        many = [pretended(serving, "192.0.2.2") for _ in range(15)]
        many[0].known = True
        serving.maintenance(time.time())
        assert [one.will_close for one in many[:3]] == [False, True, True]
        assert not any(one.will_close for one in (*few, *many[3:]))
    finally:
        serving.task_dispatcher.shutdown()
        serving.close()


def pretended(serving: connections.Server, address: str) -> connections.Connection:
    """Return a connection that was opened two seconds ago."""
    ours, theirs = socket.socketpair()
    theirs.close()
    made = connections.Connection(serving, ours, (address, 1), serving.adj, map=serving._map)
    made.begun -= 2 - len(serving.active_channels) / 1000
    return made
