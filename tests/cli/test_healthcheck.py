"""`awb healthcheck`: what a container engine learns of a part."""

from pathlib import Path

import pytest
import redis

from app.config.load import Config
from app.store.rq import jobqueue
from app.store.server.connection import connect
from app.web.factory import create_app
from tests.cli.conftest import Awb
from tests.web.proxies import serving
from workers.runner import worker
from workers.scheduler import Scheduler

pytestmark = pytest.mark.usefixtures("jobs_run")


def test_a_worker_is_healthy_where_each_of_its_queues_has_one_on_this_host(
    awb: Awb, connection: "redis.Redis", config: Config
) -> None:
    worker(jobqueue.DELIVERIES, connection, config).register_birth()
    assert awb("healthcheck", "worker", jobqueue.DELIVERIES).exit_code == 0
    both = awb("healthcheck", "worker", jobqueue.DELIVERIES, jobqueue.NOTIFICATIONS)
    assert (both.exit_code, both.stderr) == (1, f"awb: no worker is running here for {jobqueue.NOTIFICATIONS}\n")
    assert awb("healthcheck", "worker").exit_code == 1


def test_a_worker_on_another_host_does_not_make_this_container_healthy(
    awb: Awb, connection: "redis.Redis", config: Config
) -> None:
    elsewhere = worker(jobqueue.DELIVERIES, connection, config)
    elsewhere.name = f"{jobqueue.DELIVERIES}-another-host-1-abcdef"
    elsewhere.register_birth()
    assert awb("healthcheck", "worker", jobqueue.DELIVERIES).exit_code == 1


def test_a_scheduler_is_healthy_while_one_schedules(awb: Awb, connection: "redis.Redis", config: Config) -> None:
    assert awb("healthcheck", "scheduler").exit_code == 1
    leading, standby = Scheduler(connection, config), Scheduler(connection, config)
    leading.step()
    standby.step()
    assert awb("healthcheck", "scheduler").exit_code == 0
    leading.rq.stop()
    assert "no scheduler" in awb("healthcheck", "scheduler").stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - a setting
def test_the_receiver_is_healthy_while_it_takes_deliveries(
    awb: Awb, config: Config, connection: "redis.Redis", host: str
) -> None:
    with serving(create_app(config, connection), config) as (_, port):
        bind = f"{host}:{port}"
        assert awb("healthcheck", "web", AWB_BIND=bind).exit_code == 0
    gone = awb("healthcheck", "web", AWB_BIND=bind)
    assert (gone.exit_code, f"does not answer on {bind}" in gone.stderr) == (1, True)


def test_a_receiver_without_redis_is_not_healthy(awb: Awb, config: Config, tmp_path: Path) -> None:
    with serving(create_app(config, connect(f"unix://{tmp_path}/none.sock")), config) as (_, port):
        found = awb("healthcheck", "web", AWB_BIND=f"127.0.0.1:{port}")
    assert (found.exit_code, "/readyz answers 503" in found.stderr) == (1, True)


def test_without_redis_neither_workers_nor_a_scheduler_are_healthy(awb: Awb, tmp_path: Path) -> None:
    for part in ("worker", "scheduler"):
        found = awb("healthcheck", part, AWB_REDIS_URL=f"unix://{tmp_path}/none.sock")
        assert (found.exit_code, found.stderr) == (1, "awb: Redis is unreachable\n")
