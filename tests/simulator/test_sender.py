"""The dispatcher against a tiny real HTTP server."""

import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.simulator.notifications import Message, Outbox
from app.simulator.sender import Faults, Pace, Sender
from app.simulator.world import World

FAST = Pace(tick=0.0, retry=0.01)


@dataclass
class Receiver:
    """Answers each message with the next of the given statuses, then 202."""

    statuses: list[int] = field(default_factory=list)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    most_at_once: int = 0
    delay: float = 0.0
    url: str = ""
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        message_id = headers["X-Message-Id"]
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            earlier = sum(seen == message_id for seen, _, _ in self.seen)
            self.seen.append((message_id, headers, body))
        time.sleep(self.delay)
        with self._lock:
            self._now -= 1
        return self.statuses[earlier] if earlier < len(self.statuses) else 202

    @property
    def attempts(self) -> Counter[str]:
        return Counter(message_id for message_id, _, _ in self.seen)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    taken = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = taken.take(dict(self.headers), body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Retry-After", "3600")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    taken.url = f"http://coder:top-secret@127.0.0.1:{server.server_port}/v1/webhook"
    yield taken
    server.shutdown()
    server.server_close()
    thread.join()


def messages(tasks: int) -> list[Message]:
    world = World(1)
    outbox = Outbox(world)
    for _ in range(tasks):
        world.create_task(world.developers[0])
    return outbox.collect()


def test_it_posts_as_coder_does(receiver: Receiver) -> None:
    (message, *_) = messages(1)
    Sender(receiver.url, 1, FAST).dispatch([message])
    ((message_id, headers, body),) = receiver.seen
    assert (message_id, body) == (message.id, message.body)
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "Go-http-client/1.1"
    assert headers["Authorization"] == "Basic " + b64encode(b"coder:top-secret").decode()
    assert "Accept" not in headers


def test_it_posts_at_most_a_batch_at_once_and_everything_in_the_end(receiver: Receiver) -> None:
    receiver.delay = 0.02
    batch = messages(15)
    report = Sender(receiver.url, 1, FAST).dispatch(batch)
    assert 2 < receiver.most_at_once <= 20
    assert receiver.attempts == Counter(message.id for message in batch)
    assert len(report.delivered) == report.posts == report.statuses[202] == len(batch)


def test_within_a_batch_the_order_is_arbitrary_and_the_seed_decides_it(receiver: Receiver) -> None:
    batch = messages(6)
    orders = []
    for seed in (1, 1, 2):
        report = Sender(receiver.url, seed, FAST).dispatch(batch)
        orders.append([message.id for message in report.delivered])
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != [message.id for message in batch]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_every_status_but_2xx_is_retried_with_the_same_id_and_without_waiting(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status, status]
    (message, *_) = messages(1)
    report = Sender(receiver.url, 1, FAST).dispatch([message])
    assert receiver.attempts == {message.id: 3}
    assert (report.retries, report.delivered, report.given_up) == (2, [message], [])


def test_it_gives_up_after_five_attempts(receiver: Receiver) -> None:
    receiver.statuses = [500] * 9
    (message, *_) = messages(1)
    report = Sender(receiver.url, 1, FAST).dispatch([message])
    assert receiver.attempts == {message.id: 5}
    assert (report.delivered, report.given_up) == ([], [message])


def test_a_refused_connection_is_retried(receiver: Receiver) -> None:
    batch = messages(4)
    report = Sender(receiver.url, 1, FAST).dispatch(batch, Faults(refused=1.0))
    assert report.statuses == {0: 3 * len(batch), 202: len(batch)}
    assert receiver.attempts == Counter(message.id for message in batch)


def test_a_lost_answer_and_a_lost_lease_bring_the_same_message_again(receiver: Receiver) -> None:
    batch = messages(4)
    unanswered = Sender(receiver.url, 1, FAST).dispatch(batch, Faults(unanswered=0.5))
    assert len(receiver.seen) == len(batch) + unanswered.retries > len(batch)
    receiver.seen.clear()
    lease_lost = Sender(receiver.url, 1, FAST).dispatch(batch, Faults(lease_lost=0.5))
    assert len(receiver.seen) == len(batch) + lease_lost.repeated > len(batch)
    assert len(lease_lost.delivered) == len(batch)
