"""Waiting for Redis to become available."""

import time
from typing import Final

import redis
import structlog

from app.store.server.connection import unavailable
from app.store.server.info import check_writable

log = structlog.get_logger(__name__)
_POLL_SECONDS: Final = 0.5


def wait_for_redis(connection: "redis.Redis") -> None:
    """Wait until Redis accepts writes. A worker that ends at once would be restarted after longer and longer delays."""
    logged = ""
    while True:
        try:
            check_writable(connection)
        except (redis.exceptions.RedisError, OSError) as error:
            why = unavailable(error) or "failing"
            if why != logged:
                log.warning("worker is waiting for Redis", why=why)
            logged = why
            time.sleep(_POLL_SECONDS)
        else:
            return
