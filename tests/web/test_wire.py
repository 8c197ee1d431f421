"""Bytes as an attacker writes them, with the answer expected for each: never a 5xx but 503, nothing stored."""

import re
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import redis
from waitress.adjustments import Adjustments

from app.store.rq import jobqueue
from app.web.wire.bodies import LARGEST_OTHER, MOST_DELIVERED, Bodies, Grant
from app.web.wire.parser import Parser
from tests.conftest import RedisServer
from tests.web.make import Receiver, basic, kept, notification, read_all, receiver, request

BODY = notification()
LENGTH = str(len(BODY))
SECRET_LINE = f"Authorization: {basic()['Authorization']}\r\n".encode()
WRONG = {"Authorization": basic("wrong")["Authorization"]}
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
INNER = request(notification("smuggled"), Content_Length=str(len(notification("smuggled"))))


def head(*lines: bytes, first: bytes = b"POST /v1/webhook HTTP/1.1", authorization: bytes = SECRET_LINE) -> bytes:
    named = [b"Host: localhost\r\n", b"Connection: close\r\n", authorization, *(line + b"\r\n" for line in lines)]
    return first + b"\r\n" + b"".join(named) + b"\r\n"


#: What is sent, and the code of every answer that comes until the other side closes.
TABLE: dict[str, tuple[bytes, list[int]]] = {
    # Lengths.
    "5,000 digits": (request(Content_Length="9" * 5000), [400]),
    "4,300 digits": (request(Content_Length="9" * 4300), [413]),
    "5,000 zeros": (request(Content_Length="0" * 5000), [400]),
    "5,000 digits without the secret": (request(Content_Length="9" * 5000, Authorization=""), [400]),
    "a sign": (request(BODY, Content_Length="+" + LENGTH), [400]),
    "a negative length": (request(BODY, Content_Length="-1"), [400]),
    "a hexadecimal length": (request(BODY, Content_Length="0x10"), [400]),
    "an underscore in a length": (request(BODY, Content_Length="1_0"), [400]),
    "digits of another script": (head(b"Content-Length: \xb2"), [400]),
    "two equal lengths": (head(b"Content-Length: 2", b"Content-Length: 2") + b"{}", [400]),
    "two lengths": (head(b"Content-Length: 2", b"Content-Length: 9") + b"{}", [400]),
    "a list of lengths": (request(b"{}", Content_Length="2, 2"), [400]),
    "an empty length": (head(b"Content-Length:"), [400]),
    "a length with an underscore in its name": (head(b"Content_Length: 2") + b"{}", [411]),
    # How the body is coded.
    "both lengths": (head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + CHUNKS + INNER, [400]),
    "both lengths, the other way round": (head(b"Transfer-Encoding: chunked", b"Content-Length: 5") + CHUNKS, [400]),
    "both lengths without the secret": (
        head(b"Content-Length: 5", b"Transfer-Encoding: chunked", authorization=b"") + CHUNKS + INNER,
        [400],
    ),
    "chunks in HTTP/1.0": (head(b"Transfer-Encoding: chunked", first=b"POST /v1/webhook HTTP/1.0") + CHUNKS, [400]),
    "gzip": (request(CHUNKS, Transfer_Encoding="gzip"), [400]),
    "gzip, chunked": (request(CHUNKS, Transfer_Encoding="gzip, chunked"), [400]),
    "chunked twice": (request(CHUNKS, Transfer_Encoding="chunked, identity"), [400]),
    "a tab in the coding": (request(CHUNKS, Transfer_Encoding="\x0bchunked"), [400]),
    "a space before the colon": (head(b"Transfer-Encoding : chunked") + CHUNKS, [400]),
    "a chunk size of 5,000 digits": (
        request(b"f" * 5000 + b"\r\n", Transfer_Encoding="chunked") + b"x" * 300_000,
        [413],
    ),
    "a negative chunk": (request(b"-1\r\n\r\n", Transfer_Encoding="chunked"), [400]),
    "a chunk that is no number": (request(b"zz\r\n\r\n", Transfer_Encoding="chunked"), [400]),
    "a chunk size with 0x": (request(b"0x1\r\n\r\n", Transfer_Encoding="chunked"), [400]),
    "a chunk longer than it says": (request(b"1\r\nxxxx\r\n0\r\n\r\n", Transfer_Encoding="chunked"), [400]),
    "a chunk extension with a line break": (request(b"1;\n\r\nx\r\n0\r\n\r\n", Transfer_Encoding="chunked"), [400]),
    "endless chunk extensions": (request(b"1;" + b"a" * 300_000, Transfer_Encoding="chunked"), [413]),
    "endless trailers": (request(b"0\r\n" + b"a: b\r\n" * 60_000, Transfer_Encoding="chunked"), [413]),
    # Expect.
    "the wrong secret expects to go on": (request(Content_Length="100", Expect="100-continue", **WRONG), [401]),
    "no secret expects to go on": (request(Content_Length="100", Expect="100-continue", Authorization=""), [401]),
    "too much expects to go on": (request(Content_Length="9" * 9, Expect="100-continue"), [413]),
    "a bad length expects to go on": (request(Content_Length="x", Expect="100-continue"), [400]),
    "both lengths expect to go on": (
        head(b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Expect: 100-continue"),
        [400],
    ),
    # Nobody waits for the body of somebody without the secret.
    "the wrong secret and no body": (request(Content_Length="200000", **WRONG), [401]),
    "no secret and no body": (request(Content_Length="200000", Authorization=""), [401]),
    "no secret and far too much": (request(Content_Length="9" * 15, Authorization=""), [401]),
    "no secret and chunks": (request(CHUNKS, Transfer_Encoding="chunked", Authorization=""), [401]),
    "a request in the body of the refused": (request(INNER, Content_Length=str(len(INNER)), **WRONG), [401]),
    "a request after the refused": (request(b"{}" + INNER, Content_Length="2", **WRONG), [401]),
    "no secret, with slashes": (request(path="//v1//webhook//", Content_Length="200000", Authorization=""), [401]),
    "no secret, escaped": (request(path="/v1/%77ebhook", Content_Length="200000", Authorization=""), [401]),
    "no secret, another deployment": (request(path="/v1/webhook/a", Content_Length="200000", Authorization=""), [401]),
    "two secrets": (head(SECRET_LINE.strip(), b"Content-Length: 2") + b"{}", [401]),
    "a form that is too large": (request(path="/login", Content_Length=str(LARGEST_OTHER + 1), **WRONG), [413]),
    "a call that is too large": (
        request(path="/api/v1/silences", Content_Length=str(LARGEST_OTHER + 1), Content_Type="application/json"),
        [403],
    ),
    "an unsigned press": (request(path="/v1/slack/actions", Content_Length="200000"), [404]),
    "a GET with a body": (request(path="/healthz", method="GET", Content_Length="200000"), [200]),
    # Paths.
    "slashes inside": (request(BODY, "/v1//webhook", Content_Length=LENGTH, **WRONG), [401]),
    "slashes of others": (request(path="/api//v1/usage", method="GET"), [404]),
    "dots": (request(BODY, "/v1/x/../webhook", Content_Length=LENGTH, **WRONG), [404]),
    "no slash": (request(BODY, "v1/webhook", Content_Length=LENGTH), [400]),
    "a NUL": (request(path="/v1/webhook/%00", Content_Length="0"), [404]),
    "bytes that are no UTF-8": (request(path="/v1/webhook/%ff%fe", Content_Length="0"), [404]),
    "an absolute address": (request(path="http://localhost/healthz", method="GET"), [200]),
    "an open bracket": (request(path="http://[::1/healthz", method="GET"), [400]),
    "a query of brackets": (request(path="/healthz?[[[&%zz=%", method="GET"), [200]),
    # First lines and headers.
    "no version": (b"GET /healthz\r\n\r\n", [200]),
    "HTTP/9.9": (b"GET /healthz HTTP/9.9\r\n\r\n", [200]),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [404]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", [400]),
    "a small method": (request(method="post", Content_Length="0"), [400]),
    "a method of 2,000 letters": (request(method="A" * 2000, Content_Length="0"), [405]),
    "TRACE": (request(method="TRACE"), [405]),
    "CONNECT": (b"CONNECT localhost:80 HTTP/1.1\r\nConnection: close\r\n\r\n", [400]),
    "a lone carriage return": (b"GET /healthz HTTP/1.1\r\nX: a\rb\r\n\r\n", [400]),
    "a lone line feed": (b"GET /healthz HTTP/1.1\r\nX: a\nb\r\n\r\n", [400]),
    "a NUL in a header": (b"GET /healthz HTTP/1.1\r\nX: a\0b\r\n\r\n", [400]),
    "a header without a name": (b"GET /healthz HTTP/1.1\r\n: a\r\n\r\n", [400]),
    "a folded first header": (b"GET /healthz HTTP/1.1\r\n a: b\r\n\r\n", [400]),
    "two thousand headers": (b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 2000 + b"Connection: close\r\n\r\n", [200]),
    "too many headers": (b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 5000 + b"\r\n", [431]),
    "a long cookie": (request(path="/login", method="GET", Cookie="awb_session=" + "x" * 9000), [303]),
    "only blank lines": (b"\r\n" * 50 + b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", [200]),
    # The proper ones, so that the table shows that others were refused for their own fault.
    "as Coder": (request(BODY, Content_Length=LENGTH), [202]),
    "as Coder, in chunks": (request(CHUNKS, Transfer_Encoding="chunked"), [202]),
    "as Coder, expecting to go on": (request(BODY, Content_Length=LENGTH, Expect="100-continue"), [100, 202]),
}


def codes_of(said: bytes) -> list[int]:
    """Return the codes of all answers; our bodies contain no such line."""
    return [int(code) for code in re.findall(rb"(?m)^HTTP/1\.[01] (\d{3}) ", said)]


@pytest.mark.parametrize("name", TABLE)
def test_every_odd_request_has_its_answer(running: Receiver, connection: "redis.Redis", name: str) -> None:
    sent, expected = TABLE[name]
    with running.connect() as wire:
        wire.sendall(sent)
        said = read_all(wire)
    assert codes_of(said) == expected
    taken = [b"delivery-default-3f0c2f5e-8f1f-4b52-8b0e-1d8f7a0c9e11"] if expected[-1] == 202 else []
    assert [job.encode() for job in jobqueue.queue(jobqueue.DELIVERIES, connection).job_ids] == taken
    assert bool(kept(connection)) == bool(taken)


def test_none_of_it_is_a_failure_of_ours(running: Receiver) -> None:
    assert not [name for name, (_, codes) in TABLE.items() if any(code >= 500 for code in codes)]
    assert "Traceback" not in running.log


def test_an_answer_arrives_though_its_body_is_still_being_sent(running: Receiver) -> None:
    """Closing with unread bytes resets a connection, and the client would not learn that its secret is wrong."""
    size = 4_000_000
    with running.connect() as wire:
        wire.sendall(request(Content_Length=str(size), **WRONG))
        for _ in range(20):
            wire.sendall(b"x" * 50_000)
        assert codes_of(read_all(wire)) == [401]


def resident(running: Receiver) -> int:
    pages = Path(f"/proc/{running.pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


@pytest.mark.parametrize("expect", [{}, {"Expect": "100-continue"}], ids=["at once", "expecting to go on"])
def test_bodies_of_strangers_take_no_memory(
    redis_server: RedisServer, connection: "redis.Redis", expect: dict[str, str]
) -> None:
    """800 clients with as much as fits, on every path that takes a body."""
    paths = ["/v1/webhook", "/login", "/v1/slack/actions", "/api/v1/silences", "/v1/webhook/other"]
    with receiver(redis_server.url, AWB_MAX_CONNECTIONS_PER_ADDRESS="0") as running, ExitStack() as stack:
        before, keys = resident(running), kept(connection)
        for number in range(800):
            wire = stack.enter_context(running.connect())
            size = 60_000 if number % 2 else 260_000
            with suppress(OSError):
                wire.sendall(request(b"", paths[number % 5], Content_Length=str(size), **WRONG, **expect))
                wire.sendall(b"x" * (size - 10))
        # The server has read what it wants to: it answers others.
        assert running.ask(request(path="/healthz", method="GET")).startswith(b"HTTP/1.1 200 ")
        assert resident(running) - before < 24_000_000
    assert kept(connection) == keys


def test_the_sum_of_bodies_is_bounded_and_given_back() -> None:
    held = Bodies(lambda _method, _path, _headers: Grant(100, known=True), delivered=250, other=0)
    requests = [Parser(Adjustments(), held) for _ in range(4)]
    for one in requests:
        assert not one.headers_finished
        one.received(request(Content_Length="100"))
    assert [one.error for one in requests[:2]] == [None, None]
    assert [(one.completed, one.error.code) for one in requests[2:] if one.error] == [(True, 503), (True, 503)]
    assert held.held == 200
    for one in requests:
        one.close()
        one.close()
    assert held.held == 0


def test_a_connection_that_is_lost_gives_back_what_its_body_took(redis_server: RedisServer) -> None:
    """Many times more than there is room for, each lost halfway; then others find room."""
    size = 200_000
    with receiver(redis_server.url) as own:
        for _ in range(2 * MOST_DELIVERED // size):
            with own.connect() as wire:
                wire.sendall(request(b"{", Content_Length=str(size)))
        body = BODY + b" " * (size - len(BODY))
        assert codes_of(own.ask(request(body, Content_Length=str(size))))[-1] in (200, 202)
