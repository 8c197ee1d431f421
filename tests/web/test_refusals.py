"""Refused posts: counted by reason, cheaply, and shown wherever an admin looks."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from flask import Flask
from structlog.testing import capture_logs

from app.config.load import Config
from app.core.alert.refusal import DOCTOR, WORDS, Refusal
from app.core.finding import Result
from app.doctor.examine import examine
from app.pipeline.watch.notices import give_notice
from app.pipeline.watch.refusals import NAME, watch_refusals
from app.pipeline.watch.sweep import sweep
from app.store import keys
from app.store.alert.alerts import Alerts
from app.store.receive.refusals import RefusalCounters, Refused
from app.store.server.connection import connect
from app.store.store import Store
from app.web.factory import create_app
from app.web.refusals import EXTENSION, Refusals
from tests.conftest import RedisServer, make_config, wait_until
from tests.web.make import Receiver, basic, everything, notification, receiver, request
from tests.web.proxies import serving
from tests.web.test_proxies import ask

START = 1_767_600_000  # 2026-01-05, in epoch seconds
PLANTED = "planted-words-of-a-stranger"


@pytest.fixture
def app(connection: "redis.Redis", config: Config) -> Flask:
    return create_app(config, connection)


def refusals(app: Flask) -> Refusals:
    found: Refusals = app.extensions[EXTENSION]
    return found


def totals(connection: "redis.Redis") -> dict[str, int]:
    return {reason.value: run.total for reason, run in RefusalCounters(connection).runs().items()}


CASES: list[tuple[Refusal, dict[str, Any]]] = [
    (Refusal.WRONG_SECRET, {"headers": basic(PLANTED), "data": notification()}),
    (Refusal.WRONG_SECRET, {"headers": {"Authorization": f"Bearer {PLANTED}"}, "data": notification()}),
    (Refusal.WRONG_SECRET, {"headers": basic(PLANTED), "path": f"/v1/webhook/{PLANTED}", "data": b"{}"}),
    (Refusal.NO_SECRET, {"data": notification()}),
    (Refusal.WRONG_PATH, {"path": "/v1/webhook/a/b", "headers": basic(), "data": notification()}),
    (Refusal.WRONG_PATH, {"path": "/v1/webhook/A", "headers": basic(), "data": notification()}),
    (Refusal.WRONG_METHOD, {"method": "GET", "headers": basic()}),
    (Refusal.WRONG_METHOD, {"method": "PUT", "headers": basic(), "data": notification()}),
    (Refusal.NO_LENGTH, {"headers": basic(), "content_length": None, "input_stream": None}),
    (Refusal.TOO_LARGE, {"headers": basic(), "data": b"x" * 262_145}),
    (Refusal.NOT_JSON, {"headers": basic(), "data": PLANTED.encode()}),
]


@pytest.mark.parametrize(("reason", "sent"), CASES)
def test_what_is_not_taken_is_counted_by_its_reason_and_nothing_of_it_is_kept(
    app: Flask, connection: "redis.Redis", reason: Refusal, sent: dict[str, Any]
) -> None:
    options = {"path": "/v1/webhook", "method": "POST", **sent}
    with capture_logs() as lines:
        for _ in range(3):
            app.test_client().open(**options)
        refusals(app).flush()
    assert totals(connection) == {reason.value: 3}
    assert connection.hlen(keys.REFUSED) == 4
    assert PLANTED not in str(lines)
    if reason is not Refusal.NOT_JSON:  # in the quarantine, where it belongs
        assert PLANTED.encode() not in everything(connection)
    (line,) = [line for line in lines if line["event"] == "posts refused"]
    assert (line["counts"], line["last_client"]) == ({reason.value: 3}, "127.0.0.1")


def test_a_page_of_another_site_is_counted(connection: "redis.Redis", redis_server: RedisServer) -> None:
    app = create_app(make_config(redis_server.url, webhook_secret=""), connection, insecure=True)
    app.test_client().post("/v1/webhook", data=notification(), headers={"Origin": "https://evil.example"})
    refusals(app).flush()
    assert totals(connection) == {"other-site": 1}


def test_what_is_taken_and_what_the_doctor_asks_is_not_counted(app: Flask, connection: "redis.Redis") -> None:
    client = app.test_client()
    assert client.post("/v1/webhook", headers=basic(), data=notification()).status_code == 202
    assert client.post("/v1/webhook", headers=basic(), data=notification()).status_code == 200
    assert client.get("/v1/webhook", headers={"User-Agent": DOCTOR}).status_code == 405
    refusals(app).flush()
    assert totals(connection) == {}


def test_however_much_is_posted_redis_holds_four_fields_for_each_reason(app: Flask, connection: "redis.Redis") -> None:
    client = app.test_client()
    for number in range(300):
        client.post(f"/v1/webhook/name-{number}", headers=basic(f"guess-{number}"), data=notification(f"m{number}"))
    assert connection.dbsize() == 0
    refusals(app).flush()
    assert connection.keys() == [keys.REFUSED.encode()]
    assert totals(connection) == {"wrong-secret": 300}
    assert connection.hlen(keys.REFUSED) == 4


def test_a_post_that_is_refused_costs_redis_nothing(app: Flask, connection: Any) -> None:
    client = app.test_client()
    client.post("/v1/webhook", data=b"{}")
    before = connection.info("stats")["total_commands_processed"]
    for _ in range(50):
        client.post("/v1/webhook", headers=basic(PLANTED), data=notification())
    # The two are INFO itself, and what a connection says of itself.
    assert connection.info("stats")["total_commands_processed"] - before <= 2


def test_many_threads_lose_no_count(app: Flask, connection: "redis.Redis") -> None:
    counted = refusals(app)

    def post() -> None:
        for _ in range(500):
            counted.count(Refusal.NO_SECRET)

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counted.flush()
    counted.flush()
    assert totals(connection) == {"no-secret": 4000}


def test_without_redis_counts_wait_for_it(connection: "redis.Redis", redis_server: RedisServer) -> None:
    counted = Refusals(connect("unix:///nowhere"))
    for _ in range(3):
        counted.count(Refusal.UNAVAILABLE)
        counted.flush()
    counted._counters = RefusalCounters(connection)
    counted.flush()
    assert totals(connection) == {"unavailable": 3}


def test_redis_away_is_a_reason(config: Config, connection: "redis.Redis") -> None:
    app = create_app(config, connect("unix:///nowhere"))
    assert app.test_client().post("/v1/webhook", headers=basic(), data=notification()).status_code == 503
    refusals(app)._counters = RefusalCounters(connection)
    refusals(app).flush()
    assert totals(connection) == {"unavailable": 1}


def test_a_run_ends_with_a_day_without_refusals(connection: "redis.Redis") -> None:
    counters, day = RefusalCounters(connection), 86_400.0
    for first, last in ((0.0, 10.0), (day, day + 10), (3 * day, 3 * day + 5), (3 * day + 1, 3 * day + 2)):
        counters.add({Refusal.NO_SECRET: Refused(2, START + first, START + last)})
    run = counters.runs()[Refusal.NO_SECRET]
    assert (run.total, run.count) == (8, 4)
    assert (run.since.timestamp(), run.last.timestamp()) == (START + 3 * day, START + 3 * day + 5)


# ---- the real server ----


@pytest.fixture(scope="module")
def running(redis_server: RedisServer) -> Iterator[Receiver]:
    with receiver(redis_server.url) as started:
        yield started


def test_the_server_writes_by_itself_and_counts_what_it_refuses_unread(
    running: Receiver, connection: "redis.Redis"
) -> None:
    running.ask(request(b"{}", Content_Length="2", **basic(PLANTED)))
    running.ask(request(b"{", Content_Length="999999999999"))
    running.ask(request(b"{", path="/elsewhere", Content_Length="999999999999"))
    wait_until(lambda: totals(connection) == {"wrong-secret": 1, "too-large": 1})


def test_what_waits_is_written_at_the_end_of_the_process(redis_server: RedisServer, connection: "redis.Redis") -> None:
    with receiver(redis_server.url) as started:
        # The first write comes at once, the second would come ten seconds later.
        started.ask(request(b"{}", Content_Length="2", **basic(PLANTED)))
        wait_until(lambda: totals(connection) == {"wrong-secret": 1})
        started.ask(request(b"{}", Content_Length="2", **basic(PLANTED)))
    assert totals(connection) == {"wrong-secret": 2}


# ---- what admins see ----


@contextmanager
def coder_with_a_wrong_secret(app: Flask, clock: time_machine.Traveller) -> Iterator[None]:
    """Play Coder's five tries, five minutes apart."""
    for _ in range(5):
        app.test_client().post("/v1/webhook", headers=basic(PLANTED), data=notification())
        refusals(app).flush()
        clock.shift(timedelta(minutes=5))
    yield


def notices(connection: "redis.Redis", config: Config) -> list[str]:
    return [row["headline"] for row in Alerts(connection, config.settings.deployment).events()]


def test_the_sweep_raises_one_alert_that_other_notices_leave_alone(
    redis_server: RedisServer, connection: "redis.Redis"
) -> None:
    config = make_config(redis_server.url, slack_webhook_url="http://127.0.0.1:1/services/T/B/x")
    app = create_app(config, connection)
    with time_machine.travel(START, tick=False) as clock, coder_with_a_wrong_secret(app, clock):
        for _ in range(3):
            sweep(connection, config)
            give_notice(Store(connection, "default"), config)
        assert Alerts(connection, "default").firing() == [NAME]
        assert notices(connection, config) == ["Posts with a wrong secret are refused"]
        assert connection.zcard(keys.pending("default")) == 1
        said = Alerts(connection, "default").last(NAME)
        assert said is not None
        assert said.summary.startswith(
            "Since 2026-01-05 08:00 UTC the meter of Coder deployment “default” has refused 5 posts "
        )
        # A stranger goes on for ten days, once an hour.
        for _ in range(240):
            clock.shift(timedelta(hours=1))
            app.test_client().post("/v1/webhook", headers=basic(PLANTED), data=notification())
            refusals(app).flush()
            assert not watch_refusals(connection, config)
        clock.shift(timedelta(hours=25))
        assert not watch_refusals(connection, config)
        assert Alerts(connection, "default").firing() == []
        assert len(notices(connection, config)) == 1


def test_a_corrected_secret_ends_it(redis_server: RedisServer, connection: "redis.Redis", config: Config) -> None:
    app = create_app(config, connection)
    with time_machine.travel(START, tick=False) as clock, coder_with_a_wrong_secret(app, clock):
        assert watch_refusals(connection, config)
        assert app.test_client().post("/v1/webhook", headers=basic(), data=notification()).status_code == 202
        clock.shift(timedelta(hours=1))
        assert not watch_refusals(connection, config)
        assert Alerts(connection, "default").firing() == []


def test_page_metrics_and_doctor_tell_of_it(connection: "redis.Redis", config: Config) -> None:
    app = create_app(config, connection)
    client = app.test_client()
    client.post("/v1/webhook", headers=basic(), data=notification())
    assert "Refused posts" not in client.get("/").text
    found = {finding.check: finding for finding in examine(config, connection)}
    assert found["input.refused"].outcome is Result.OK
    with time_machine.travel(START, tick=False) as clock, coder_with_a_wrong_secret(app, clock):
        client.get("/v1/webhook")
        refusals(app).flush()
        page = re.sub(r"\s+", " ", client.get("/").text)
        assert "5 without the right secret since 2026-01-05 08:00 UTC" in page
        assert f"{WORDS[Refusal.WRONG_METHOD]}: 1" in page
        scraped = client.get("/metrics").text
        assert 'awb_refused_posts_total{reason="wrong-secret"} 5.0' in scraped
        assert 'awb_refused_posts_total{reason="too-large"} 0.0' in scraped
        found = {finding.check: finding for finding in examine(config, connection)}
        assert found["input.secret"].outcome is Result.WARNING
        assert "5 posts without the right secret since 2026-01-05 08:00 UTC" in found["input.secret"].message
        assert "another method than POST: 1" in found["input.refused"].message
        clock.shift(timedelta(hours=25))
        found = {finding.check: finding for finding in examine(config, connection)}
        assert found["input.refused"].outcome is Result.OK
        assert "input.secret" not in found
        assert "None recently" in client.get("/").text


def test_the_log_names_the_client_behind_a_proxy(redis_server: RedisServer, connection: "redis.Redis") -> None:
    config = make_config(redis_server.url, proxy_addresses="127.0.0.1")
    with capture_logs() as lines, serving(create_app(config, connection), config) as address:
        forwarded = {"X-Forwarded-For": "203.0.113.7:51234"}
        assert ask(address, "POST", "/v1/webhook", "awb", notification(), **basic(PLANTED), **forwarded)[0] == 401
    (line,) = [line for line in lines if line["event"] == "posts refused"]
    assert line["last_client"] == "203.0.113.7"
