import logging
from collections.abc import Iterator

import pytest
import redis
import structlog


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """A month writes thousands of lines, and nobody reads them here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()


@pytest.fixture
def connection(connection: "redis.Redis") -> Iterator["redis.Redis"]:
    """The same Redis without a write to disk for each command: months of it, and no crash among what is tested here."""
    connection.config_set("appendfsync", "no")
    yield connection
    connection.config_set("appendfsync", "always")
