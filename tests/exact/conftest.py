from collections.abc import Iterator

import pytest
import redis


@pytest.fixture
def connection(connection: "redis.Redis") -> Iterator["redis.Redis"]:
    """The same Redis without a write to disk for each command: months of it, and no crash among what is tested here."""
    connection.config_set("appendfsync", "no")
    yield connection
    connection.config_set("appendfsync", "always")
