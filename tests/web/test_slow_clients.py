"""However many clients send slowly, Coder's deliveries are taken as if they were not there."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
import redis
from flask import Flask

from app.store.rq import jobqueue
from app.web import server
from app.web.wire import connections, parser
from tests.conftest import RedisServer, make_config, wait_until
from tests.web.drippers import BODY, Drippers
from tests.web.make import Receiver, basic, notification, receiver, request

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


def answer_time(running: Receiver, first: bytes) -> float:
    """Send these bytes, then drip spaces, if it was anything, and return the seconds until the other side closed."""
    begun = time.monotonic()
    with running.connect() as wire:
        wire.settimeout(0.5)
        wire.sendall(first)
        while time.monotonic() < begun + 60:
            try:
                wire.sendall(first and b" ")
                if wire.recv(65_536) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    return time.monotonic() - begun


@pytest.mark.slow
def test_head_body_and_silence_have_deadlines_that_no_byte_puts_off(
    receiving: Receiver, connection: "redis.Redis"
) -> None:
    head = b"POST /v1/webhook HTTP/1.1\r\nX-A: "
    with_secret = request(Content_Length=str(len(BODY) + 10_000)) + BODY
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(answer_time, receiving, first) for first in (b"", head, with_secret)]
        silent, in_head, in_body = [one.result() for one in asked]
    assert silent < parser.HEAD_SECONDS + 8
    assert in_head < parser.HEAD_SECONDS + 8
    assert in_head < in_body < parser.BODY_SECONDS + 8
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).count == 0


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "kept"),
    [({"AWB_MAX_CONNECTIONS_PER_ADDRESS": "5"}, 5), ({"AWB_PROXY_ADDRESSES": "127.0.0.1"}, 130)],
    ids=["a share of five", "a configured proxy"],
)
def test_an_address_keeps_its_share_and_a_proxy_all(
    redis_server: RedisServer, connection: "redis.Redis", settings: dict[str, str], kept: int
) -> None:
    with receiver(redis_server.url, **settings) as running, ExitStack() as stack:
        wires = [stack.enter_context(running.connect()) for _ in range(130)]
        for wire in wires:
            wire.sendall(b"POST ")
        # Less than the time after which it closes every one that stays quiet.
        wait_until(lambda: sum(map(is_open, wires)) <= kept, 8)
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
