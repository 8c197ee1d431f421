import logging
from collections.abc import Iterator

import pytest
import redis
import structlog

from app.config.load import Config
from tests.conftest import RedisServer, make_config
from tests.exact.stage import Stage, on_stage


@pytest.fixture(scope="package", autouse=True)
def _quiet() -> Iterator[None]:
    # Thousands of log lines with a failure help nobody.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def connection(connection: "redis.Redis") -> Iterator["redis.Redis"]:
    """The same Redis without a disk write for each command: these tests process months of data and include no crash."""
    connection.config_set("appendfsync", "no")
    yield connection
    connection.config_set("appendfsync", "always")


@pytest.fixture
def config(redis_server: RedisServer) -> Config:
    """A configuration with Coder's API and one receiver; there is no server at either address."""
    return make_config(
        redis_server.url,
        coder_url="http://127.0.0.1:1",
        coder_token="unused",
        ai_templates="claude-code-tasks,codex-tasks",
        slack_webhook_url="http://127.0.0.1:1/services/T/B/x",
    )


@pytest.fixture
def stage(connection: "redis.Redis", config: Config) -> Iterator[Stage]:
    with on_stage(connection, config) as opened:
        yield opened
