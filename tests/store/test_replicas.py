"""With `redis_wait_replicas`, what was answered 2xx is on a replica."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient

from app.config.load import Config
from app.core.finding import Result
from app.doctor.redis import examine_redis
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.conftest import RedisServer, make_config, short_directory, wait_until
from tests.faults.fleet import Fleet
from tests.web.make import answer, basic, notification


@pytest.fixture(scope="module")
def pair() -> Iterator[Fleet]:
    """A master and a replica, without Sentinel."""
    with Fleet(short_directory(), sentinels=0) as built:
        yield built.start()


def config_of(pair: Fleet, number: int = 1) -> Config:
    return make_config(pair.servers[0].url, redis_wait_replicas=number)


@pytest.fixture
def client(pair: Fleet) -> FlaskClient:
    pair.admin(0).flushall()
    config = config_of(pair)
    return create_app(config, connect(pair.servers[0].url)).test_client()


@contextmanager
def stopped(server: RedisServer) -> Iterator[None]:
    """Let a server hang."""
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def test_a_delivery_that_no_replica_has_is_refused_as_often_as_it_comes(pair: Fleet, client: FlaskClient) -> None:
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("before"))) == (202, "accepted")
    with stopped(pair.servers[1]):
        for _ in range(2):
            refused = client.post("/v1/webhook", headers=basic(), data=notification("m1"))
            assert answer(refused) == (503, "unavailable")
            assert refused.get_json()["reason"] == "Redis is no-replicas"
            assert "Retry-After" in refused.headers
    # It was written at the first time.
    wait_until(lambda: client.post("/v1/webhook", headers=basic(), data=notification("m1")).status_code == 200)
    assert pair.admin(1).llen("rq:queue:awb-deliveries") == 2


def test_a_body_for_the_quarantine_that_no_replica_has_is_refused(pair: Fleet, client: FlaskClient) -> None:
    with stopped(pair.servers[1]):
        assert answer(client.post("/v1/webhook", headers=basic(), data=b"{")) == (503, "unavailable")
    assert answer(client.post("/v1/webhook", headers=basic(), data=b"{")) == (202, "quarantined")
    assert len(pair.admin(1).keys("awb:v1:default:quarantined:*")) == 1


def test_an_answer_to_the_script_is_not_mixed_up_with_the_one_to_wait(pair: Fleet, client: FlaskClient) -> None:
    pair.admin(0).script_flush()
    codes = [client.post("/v1/webhook", headers=basic(), data=notification("m1")).status_code for _ in range(3)]
    assert codes == [202, 200, 200]


def test_doctor_says_what_a_failover_may_lose(pair: Fleet) -> None:
    found = {}
    for number in (0, 1, 2):
        config = config_of(pair, number)
        found[number] = next(
            one for one in examine_redis(config, connect(pair.servers[0].url)) if one.check == "redis.replication"
        )
    assert [found[number].outcome for number in found] == [Result.WARNING, Result.OK, Result.ERROR]
    assert "may lose deliveries" in found[0].message
    assert "AWB_REDIS_WAIT_REPLICAS=1" in found[0].hint
    assert found[2].message == "every delivery waits for 2 replicas and is refused: 1 replica connected"
