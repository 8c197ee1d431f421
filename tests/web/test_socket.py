"""What only a socket shows: the real server, in a process of its own."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import redis
import requests

from app.config.load import Config
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue
from tests.conftest import SECRET
from tests.web.make import MESSAGE_ID, Receiver, basic, kept, notification, read_all, request


def code_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def post(running: Receiver, body: bytes, **headers: str) -> int:
    return code_of(running.ask(request(body, Content_Length=str(len(body)), **headers)))


def chunked(body: bytes, size: int = 8_000) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def padded(size: int) -> bytes:
    body = notification()
    return body + b" " * (size - len(body))


def test_coders_way_of_sending_is_accepted(running: Receiver, connection: "redis.Redis") -> None:
    """User and password in the URL, as Go's client and requests turn them into Basic auth."""
    url = running.url.replace("://", f"://coder:{SECRET}@") + "/v1/webhook"
    answers = [requests.post(url, data=notification(), timeout=20) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert "Server" not in answers[0].headers
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).job_ids == [f"delivery-default-{MESSAGE_ID}"]


def test_one_connection_serves_many_posts(running: Receiver, connection: "redis.Redis") -> None:
    with requests.Session() as session:
        for number in range(20):
            body = notification(f"m{number}")
            answer = session.post(running.url + "/v1/webhook", headers=basic(), data=body, timeout=20)
            assert answer.status_code == 202
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).count == 20


@pytest.mark.parametrize("path", ["/v1/webhook/", "/v1/webhook/default/", "//v1/webhook", "/v1//webhook/"])
def test_slashes_too_many_are_no_redirect(running: Receiver, connection: "redis.Redis", path: str) -> None:
    body = notification()
    said = running.ask(request(body, path, Content_Length=str(len(body))))
    assert said.startswith(b"HTTP/1.1 202 ")


def test_a_post_without_length_is_refused(running: Receiver, connection: "redis.Redis") -> None:
    assert code_of(running.ask(request())) == 411
    assert kept(connection) == []


def test_an_empty_body_is_put_aside(running: Receiver, connection: "redis.Redis") -> None:
    assert post(running, b"") == 202
    (row,) = Inbox(connection, "default").quarantined()
    assert (row["reason"], row["bytes"]) == ("not valid JSON (JSONDecodeError)", 0)


@pytest.mark.parametrize(("more", "code"), [(-1, 202), (0, 202), (1, 413), (1_000_000, 413)])
def test_bodies_up_to_the_limit_are_accepted(
    running: Receiver, config: Config, connection: "redis.Redis", more: int, code: int
) -> None:
    assert post(running, padded(config.settings.max_body_bytes + more)) == code
    assert bool(kept(connection)) is (code == 202)


def test_a_body_that_is_too_large_is_refused_unread(running: Receiver, connection: "redis.Redis") -> None:
    assert code_of(running.ask(request(b"{", Content_Length="999999999999"))) == 413
    assert kept(connection) == []


def test_a_chunked_body_is_accepted_up_to_the_limit(
    running: Receiver, config: Config, connection: "redis.Redis"
) -> None:
    limit = config.settings.max_body_bytes
    small, large = chunked(notification()), chunked(padded(limit + 10_000))
    assert code_of(running.ask(request(large, Transfer_Encoding="chunked"))) == 413
    assert kept(connection) == []
    assert code_of(running.ask(request(small, Transfer_Encoding="chunked"))) == 202


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (request(X_Long="x" * 20_000), 431),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
        (request(Content_Length="-1"), 400),
        (request(Content_Length="one"), 400),
        (b"POST /v1/webhook HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=["long header", "long path", "negative length", "no number", "broken header", "no HTTP"],
)
def test_what_is_no_proper_request_is_refused(
    running: Receiver, connection: "redis.Redis", wire: bytes, code: int
) -> None:
    assert code_of(running.ask(wire)) == code
    assert kept(connection) == []


def test_two_lengths_are_no_way_to_smuggle_a_second_request(running: Receiver, connection: "redis.Redis") -> None:
    inner = request(notification("smuggled"), Content_Length=str(len(notification("smuggled"))))
    wire = request(chunked(b"{") + inner, Content_Length="5", Transfer_Encoding="chunked")
    running.ask(wire)
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).count == 0


def test_a_client_that_hangs_up_halfway_leaves_nothing(running: Receiver, connection: "redis.Redis") -> None:
    body = notification()
    with running.connect() as wire:
        wire.sendall(request(body[:-10], Content_Length=str(len(body))))
    assert post(running, notification("next")) == 202
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).job_ids == ["delivery-default-next"]


def test_slow_clients_do_not_keep_others_waiting(running: Receiver, connection: "redis.Redis") -> None:
    """Four times as many as there are threads: some drip their headers, some their bodies."""
    body = notification("slow")
    whole = request(body, Content_Length=str(len(body)))
    with ExitStack() as stack:
        wires = [stack.enter_context(running.connect()) for _ in range(32)]
        cuts = [20 if number % 2 else len(whole) - 20 for number in range(len(wires))]
        for wire, cut in zip(wires, cuts, strict=True):
            wire.sendall(whole[:cut])
        for number in range(10):
            for place, wire in enumerate(wires):
                wire.sendall(whole[cuts[place] : cuts[place] + 1])
                cuts[place] += 1
            # It waits 20 seconds at the most, and the slow ones never end by themselves.
            assert post(running, notification(f"fast{number}")) == 202
        for wire, cut in zip(wires, cuts, strict=True):
            wire.sendall(whole[cut:])
        codes = sorted(code_of(read_all(wire)) for wire in wires)
    assert codes == [200] * 31 + [202]
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).count == 11


def test_many_at_once_are_all_accepted(running: Receiver, connection: "redis.Redis") -> None:
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda number: post(running, notification(f"m{number % 100}")), range(200)))
    assert (codes.count(202), codes.count(200)) == (100, 100)
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).count == 100


def test_the_api_answers_here_and_nowhere_else(running: Receiver, connection: "redis.Redis") -> None:
    here = requests.get(running.url + "/api/v1/usage", timeout=20)
    assert (here.status_code, here.json()["used"]) == (200, 0)
    for headers in ({"Host": "awb.example.com"}, {"X-Forwarded-For": "127.0.0.1"}, {"Host": "127.0.0.1.example.com"}):
        there = requests.get(running.url + "/api/v1/usage", headers=headers, timeout=20)
        assert there.status_code == 403


def test_it_listens_on_loopback_only(running: Receiver) -> None:
    others = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), running.port, socket.AF_INET)}
    for address in others - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((address, running.port), timeout=5):
            pass


def test_its_log_is_json_and_holds_no_secret(running: Receiver, connection: "redis.Redis") -> None:
    assert post(running, b"{", X_Message_Id="put-aside") == 202
    lines = [json.loads(line) for line in running.log.splitlines()]
    (line,) = [line for line in lines if line.get("message_id") == "put-aside"]
    assert (line["event"], line["why"]) == ("delivery quarantined", "not valid JSON (JSONDecodeError)")
    assert SECRET not in running.log
