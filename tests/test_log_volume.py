"""The log does not grow beyond bounds: at most 300 bytes for each delivery at level info."""

import logging
from typing import Any

import pytest
import redis
import structlog
from structlog.contextvars import bound_contextvars

from app import logs
from app.core.count.delivery import read_delivery
from app.pipeline.count.count import count
from bench.bodies import STORY, TEMPLATE, stories, units
from tests.conftest import RedisServer, make_config
from tests.pipeline.streams import DEPLOYMENT

_MOST = 300
_DELIVERIES = 1000


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_a_delivery_costs_at_most_300_bytes_of_log(
    connection: "redis.Redis", redis_server: RedisServer, capfd: pytest.CaptureFixture[str]
) -> None:
    config = make_config(redis_server.url, ai_templates=TEMPLATE)
    read = [read_delivery(one.body) for one in stories(_DELIVERIES, "0a1b2c3d")]
    logs.configure("json", "info")
    ignored = 3
    for start in range(0, _DELIVERIES, 50):
        at = 1_772_438_400.0 + start
        with bound_contextvars(batch="0a1b2c3d"):
            count(
                connection, config, [(DEPLOYMENT, one.message_id, at, one.payload) for one in read[start : start + 50]]
            )
    lines = "".join(capfd.readouterr()).splitlines()
    assert sum('"delivery classified"' in line for line in lines) == _DELIVERIES - ignored * _DELIVERIES // len(STORY)
    counted = [line for line in lines if '"evidence counted"' in line]
    assert 0 < len(counted) <= units(_DELIVERIES)
    assert sum(len(line.encode()) + 1 for line in lines) / _DELIVERIES <= _MOST
