"""While Redis cannot take a write the receiver says 503, never 2xx, and it recovers by itself."""

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from flask.testing import FlaskClient

from app.store.rq import jobqueue
from app.store.server.connection import RECEIVER_TIMEOUT, connect
from app.store.server.watched import Silence
from app.web.factory import create_app
from app.web.health import PATIENCE_SECONDS
from tests.conftest import RedisServer, make_config, wait_until
from tests.web.make import answer, basic, notification, receiver
from workers import embedded


def full(server: Any) -> object:
    return server.config_set("maxmemory", 1)


def not_full(server: Any) -> object:
    return server.config_set("maxmemory", 0)


def replica_of_nobody_there(server: Any) -> object:
    return server.execute_command("REPLICAOF", "127.0.0.1", "1")


def master(server: Any) -> object:
    return server.execute_command("REPLICAOF", "NO", "ONE")


def replicas_wanted(server: Any) -> object:
    return server.config_set("min-replicas-to-write", 1)


def no_replicas_wanted(server: Any) -> object:
    return server.config_set("min-replicas-to-write", 0)


FAULTS = {
    "full": (full, not_full),
    "read-only": (replica_of_nobody_there, master),
    "no-replicas": (replicas_wanted, no_replicas_wanted),
}


@contextmanager
def broken(server: Any, word: str) -> Iterator[None]:
    fault, mend = FAULTS[word]
    fault(server)
    try:
        yield
    finally:
        mend(server)


def assert_unavailable(client: FlaskClient, body: bytes) -> str:
    """Assert that a body is refused for now, and return the word for why."""
    response = client.post("/v1/webhook", headers=basic(), data=body)
    assert answer(response) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0
    return str(response.get_json()["reason"]).removeprefix("Redis is ")


@pytest.mark.parametrize("word", FAULTS)
def test_the_answer_says_in_a_word_why(client: FlaskClient, connection: "redis.Redis", word: str) -> None:
    with broken(connection, word):
        assert [assert_unavailable(client, body) for body in (notification(), b"{")] == [word, word]


@pytest.mark.parametrize("word", FAULTS)
def test_what_redis_refuses_is_refused_and_taken_later(
    client: FlaskClient, connection: "redis.Redis", word: str
) -> None:
    client.post("/v1/webhook", headers=basic(), data=notification("before"))
    with broken(connection, word):
        for _ in range(3):
            assert_unavailable(client, notification("m1"))
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("m1"))) == (202, "accepted")
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).count == 2


@pytest.mark.parametrize("word", FAULTS)
def test_what_cannot_be_put_aside_is_refused_and_taken_later(
    client: FlaskClient, connection: "redis.Redis", word: str
) -> None:
    with broken(connection, word):
        assert_unavailable(client, b"{")
    assert answer(client.post("/v1/webhook", headers=basic(), data=b"{")) == (202, "quarantined")


@pytest.fixture
def own(short_dir: Path) -> Iterator[RedisServer]:
    server = RedisServer(short_dir)
    yield server
    server.stop()


def client_of(server: RedisServer, timeout: float = 5.0, *, hurried: bool = False) -> FlaskClient:
    return create_app(make_config(server.url), connect(server.url, timeout, hurried=hurried)).test_client()


def test_a_redis_that_never_started_is_unreachable(own: RedisServer) -> None:
    client = client_of(own)
    assert assert_unavailable(client, notification()) == "unreachable"
    assert assert_unavailable(client, b"{") == "unreachable"
    own.start()
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification())) == (202, "accepted")


def test_a_redis_that_is_killed_and_comes_back_knows_what_was_accepted(own: RedisServer) -> None:
    own.start()
    client = client_of(own)
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("first"))) == (202, "accepted")
    own.kill()
    for _ in range(3):
        assert assert_unavailable(client, notification("second")) == "unreachable"
    own.start()
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("second"))) == (202, "accepted")
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("first"))) == (200, "duplicate")


def test_a_restart_between_two_posts_is_not_noticed(own: RedisServer) -> None:
    own.start()
    client = client_of(own)
    for message_id in ("first", "second", "third"):
        assert answer(client.post("/v1/webhook", headers=basic(), data=notification(message_id))) == (202, "accepted")
        own.kill()
        own.start()


def test_connections_that_redis_closes_are_opened_anew(client: FlaskClient, connection: "redis.Redis") -> None:
    for message_id in ("first", "second", "third"):
        assert answer(client.post("/v1/webhook", headers=basic(), data=notification(message_id))) == (202, "accepted")
        connection.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


@pytest.mark.parametrize("warm", [True, False], ids=["known connection", "new connection"])
@pytest.mark.parametrize("body", [notification("m1"), b"{"], ids=["delivery", "quarantine"])
def test_a_redis_that_hangs_is_waited_for_once(own: RedisServer, body: bytes, warm: bool, waits: list[Any]) -> None:
    own.start()
    client = client_of(own, 0.6, hurried=True)
    if warm:
        client.post("/v1/webhook", headers=basic(), data=notification("before"))
        client.post("/v1/webhook", headers=basic(), data=b"[")
    assert own.process is not None
    own.process.send_signal(signal.SIGSTOP)
    try:
        assert assert_unavailable(client, body) == "unreachable"
        assert len(waits) == 1
    finally:
        own.process.send_signal(signal.SIGCONT)
    answers: list[tuple[int, str]] = []

    def taken() -> bool:
        answers.append(answer(client.post("/v1/webhook", headers=basic(), data=body)))
        return answers[-1] != (503, "unavailable")

    wait_until(taken)
    # What the stopped server finds in its sockets when it goes on may well be the first try.
    code, status = answers[-1]
    assert (code, status) in ((202, "accepted"), (200, "duplicate"), (202, "quarantined"))
    assert jobqueue.queue(jobqueue.DELIVERIES, connect(own.url)).count == warm + (status != "quarantined")


@pytest.mark.parametrize("word", FAULTS)
def test_a_redis_that_takes_no_delivery_is_not_ready(client: FlaskClient, connection: "redis.Redis", word: str) -> None:
    with broken(connection, word):
        readyz = client.get("/readyz")
        assert (readyz.status_code, readyz.get_json()) == (503, {"status": "unavailable", "redis": word})
    assert client.get("/readyz").status_code == 200


#: Of a receiver, by default.
THREADS = 8
EVERY_KIND: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/readyz", {}),
    ("GET", "/", {}),
    ("GET", "/queues", {}),
    ("GET", "/alerts", {}),
    ("GET", "/api/v1/usage", {}),
    ("GET", "/metrics", {}),
    ("POST", "/v1/webhook", {"headers": basic(), "data": notification("frozen")}),
    ("POST", "/v1/webhook", {"headers": basic(), "data": b"{"}),
]


def test_while_redis_hangs_every_request_is_answered_soon_however_many_there_are(own: RedisServer) -> None:
    """Several times as many as there are threads: none waits for the time-outs of those before it."""
    own.start()
    asked = EVERY_KIND * 12

    def ask(kind: tuple[str, str, dict[str, Any]]) -> int:
        method, path, more = kind
        return requests.request(method, running.url + path, timeout=60, **more).status_code

    with receiver(own.url) as running, ThreadPoolExecutor(len(asked)) as pool:
        assert set(map(ask, EVERY_KIND)) == {200, 202}
        assert own.process is not None
        own.process.send_signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            answers = list(pool.map(ask, asked))
            taken = time.monotonic() - begun
        finally:
            own.process.send_signal(signal.SIGCONT)
        codes = zip(asked, answers, strict=True)
        assert {code for (_, path, _), code in codes if path != "/metrics"} == {503}
        # Those at work when it began wait once, the others for those. If each waited, the last would wait for twelve.
        assert taken < len(asked) / THREADS * RECEIVER_TIMEOUT
        wait_until(lambda: ask(EVERY_KIND[0]) == 200)
        wait_until(lambda: ask(EVERY_KIND[6]) in (200, 202))


def test_readiness_is_reported_within_a_second() -> None:
    """It asks twice; only a Redis that falls silent in between lets it wait twice."""
    assert 2 * PATIENCE_SECONDS < 1


def test_one_caller_at_a_time_tries_whether_redis_answers_again() -> None:
    silence = Silence(60)
    silence.check()
    silence.begin()
    with pytest.raises(redis.exceptions.TimeoutError):
        silence.check()
    silence._until = 0
    silence.check()
    with pytest.raises(redis.exceptions.TimeoutError):
        silence.check()
    silence.end()
    silence.check()


def test_the_receiver_waits_for_redis_two_or_three_seconds_at_most() -> None:
    assert 1 <= RECEIVER_TIMEOUT <= 3


def test_an_answer_that_came_too_late_is_not_taken_for_the_next(
    redis_server: RedisServer, connection: "redis.Redis"
) -> None:
    client = client_of(redis_server, 0.3)
    client.post("/v1/webhook", headers=basic(), data=notification("before"))
    connection.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
    try:
        assert assert_unavailable(client, notification("late")) == "unreachable"
    finally:
        connection.execute_command("CLIENT", "UNPAUSE")
    codes = [client.post("/v1/webhook", headers=basic(), data=notification("next")).status_code for _ in range(3)]
    assert codes == [202, 200, 200]


def test_many_deployments_share_one_connection(redis_server: RedisServer, connection: "redis.Redis") -> None:
    client = client_of(redis_server)

    def clients() -> int:
        return int(connection.info("clients")["connected_clients"])

    assert client.post("/v1/webhook", headers=basic(), data=notification("m0")).status_code == 202
    before = clients()
    for number in range(15):
        answered = client.post(f"/v1/webhook/team-{number}", headers=basic(), data=notification(f"m{number}"))
        assert answered.status_code == 202
    # Fewer, if a connection of an earlier test was closed meanwhile.
    assert clients() <= before


def test_a_redis_whose_disk_fails_is_refused(short_dir: Path) -> None:
    """A snapshot that cannot take its place is what a full disk looks like."""
    server = RedisServer(short_dir, "--save", "3600 1", "--dbfilename", "taken", "--appendonly", "no")
    server.start()
    (short_dir / "taken" / "by").mkdir(parents=True)
    try:
        client, admin = client_of(server), connect(server.url)
        client.post("/v1/webhook", headers=basic(), data=notification("before"))
        admin.bgsave()
        wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")
        assert assert_unavailable(client, notification("m1")) == "disk-full"
        assert assert_unavailable(client, b"{") == "disk-full"
        admin.config_set("stop-writes-on-bgsave-error", "no")
        assert answer(client.post("/v1/webhook", headers=basic(), data=notification("m1"))) == (202, "accepted")
    finally:
        server.kill()  # it would not end without its snapshot


def test_a_redis_that_still_loads_is_refused(own: RedisServer) -> None:
    own.start()
    client = client_of(own)
    client.post("/v1/webhook", headers=basic(), data=notification("before"))
    filler: Any = connect(own.url)
    filler.config_set("rdbcompression", "no")
    filler.mset({f"filler:{number}": "x" * 2000 for number in range(200)})
    filler.bgrewriteaof()
    wait_until(lambda: not filler.info("persistence")["aof_rewrite_in_progress"])
    own.kill()
    slowly = ("--key-load-delay", "100000", "--loading-process-events-interval-bytes", "2048")
    command = [*embedded.command(embedded.find_server(), own.directory), *slowly]
    own.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: client.get("/readyz").get_json()["redis"] == "loading")
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert assert_unavailable(client, notification("m1")) == "loading"
    connect(own.url).config_set("key-load-delay", 0)
    wait_until(lambda: client.get("/readyz").status_code == 200)
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("m1"))) == (202, "accepted")
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("before"))) == (200, "duplicate")
