"""Health: the process answers, and it can take deliveries."""

import redis
from flask.testing import FlaskClient

from app.config.load import Config
from app.store.rq import jobqueue
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.conftest import make_config
from workers.runner import worker


def test_both_are_well_with_redis_and_workers(
    client: FlaskClient, connection: "redis.Redis", config: Config, jobs_run: None
) -> None:
    for name in jobqueue.QUEUES:
        worker(name, connection, config).register_birth()
    healthz, readyz = client.get("/healthz"), client.get("/readyz")
    assert (healthz.status_code, healthz.get_json()) == (200, {"status": "ok"})
    assert (readyz.status_code, readyz.get_json()) == (200, {"status": "ok", "redis": "ok"})


def test_without_workers_deliveries_are_still_taken_and_the_queues_are_named(
    client: FlaskClient, connection: "redis.Redis", config: Config, jobs_run: None
) -> None:
    worker(jobqueue.DELIVERIES, connection, config).register_birth()
    readyz = client.get("/readyz")
    idle = [name for name in jobqueue.CORE if name != jobqueue.DELIVERIES]
    assert readyz.status_code == 200
    assert readyz.get_json() == {"status": "degraded", "redis": "ok", "without_worker": idle}


def test_without_redis_the_process_is_well_but_not_ready() -> None:
    client = create_app(make_config(), connect("unix:///nowhere")).test_client()
    healthz, readyz = client.get("/healthz"), client.get("/readyz")
    assert (healthz.status_code, healthz.get_json()) == (200, {"status": "ok"})
    assert (readyz.status_code, readyz.get_json()) == (503, {"status": "unavailable", "redis": "unreachable"})


def test_health_needs_no_login_and_stores_nothing(client: FlaskClient, connection: "redis.Redis") -> None:
    for path in ("/healthz", "/readyz"):
        assert client.get(path, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200
    assert connection.dbsize() == 0
