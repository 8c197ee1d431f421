"""The session's connections: each request goes to its own address, also after the session was closed."""

import queue
import socket

import pytest

from app.net.session import WebSession
from tests.notifiers.httpsink import answer, sink


def test_requests_to_two_servers_in_turn_reach_the_right_one() -> None:
    with sink(answer(200, b"one")) as one, sink(answer(200, b"two")) as two, WebSession(direct=True) as session:
        for number in range(4):
            port, text = ((one.port, "one"), (two.port, "two"))[number % 2]
            assert session.get(f"http://127.0.0.1:{port}/{number}", timeout=5).text == text
        assert session.get(f"http://127.0.0.1:{two.port}/again", timeout=5).text == "two"
    assert [request.path for request in one.requests] == ["/0", "/2"]
    assert [request.path for request in two.requests] == ["/1", "/3", "/again"]


def test_a_closed_session_has_closed_its_connection_and_connects_again() -> None:
    closed: queue.Queue[bytes] = queue.Queue()
    reply = answer(200, b"one", {"Connection": "keep-alive"})

    def reply_and_wait(connection: socket.socket) -> None:
        reply(connection)
        connection.settimeout(20)
        closed.put(connection.recv(1))

    with sink(reply_and_wait) as one:
        session = WebSession(direct=True)
        for _ in range(2):
            assert session.get(f"http://127.0.0.1:{one.port}/", timeout=5).text == "one"
            assert closed.empty()
            session.close()
            assert closed.get(timeout=5) == b""


@pytest.mark.parametrize("proxied", [True, False])
def test_a_proxy_that_is_set_later_is_used(proxied: bool) -> None:
    with (
        sink(answer(200, b"server")) as server,
        sink(answer(200, b"proxy")) as proxy,
        WebSession(direct=True) as session,
    ):
        url = f"http://127.0.0.1:{server.port}/"
        assert session.get(url, timeout=5).text == "server"
        proxies = {"http": f"http://127.0.0.1:{proxy.port}"} if proxied else {}
        assert session.get(url, timeout=5, proxies=proxies).text == ("proxy" if proxied else "server")
