"""GET /metrics: all metrics, read from the store at each scrape, for Prometheus.

Nothing is counted in this process, because several processes answer in turn; the counters are in Redis.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import redis
import structlog
from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config.load import Config
from app.store.gauges import last_sweep
from app.store.receive.inbox import deployments
from app.store.server.connection import unavailable
from app.store.server.info import server_info
from app.store.store import Store
from app.web.about import version
from app.web.metrics import sources
from app.web.metrics.families import Sheet

log = structlog.get_logger(__name__)
#: Unintended deployment names must not make the scrape grow.
MOST_DEPLOYMENTS: Final = 20
#: Prometheus gives up after 10 seconds; by then it must have the answer that Redis is unavailable.
_PATIENCE_SECONDS: Final = 2.0
_GONE: Final = "unreachable"
#: Errors of a store that is unavailable, or contains data that this version cannot read.
_UNREADABLE: Final = (redis.exceptions.RedisError, OSError, ValueError, LookupError, TypeError)


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the route. Access is checked by app/web/access/guard.py, or by the separate address that serves it."""
    routes = Blueprint("metrics", __name__)
    registry = CollectorRegistry()
    registry.register(MeterCollector(config, _impatient(connection)))

    @routes.get("/metrics")
    def metrics() -> Response:
        encode, content_type = _encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"})

    return routes


class MeterCollector:
    """Reads the store at each scrape."""

    def __init__(self, config: Config, connection: "redis.Redis") -> None:
        self.config = config
        self.redis = connection
        self._version = version()

    def describe(self) -> Iterator[Metric]:
        """Return the names, so that registering needs no scrape."""
        return Sheet().families()

    def collect(self) -> Iterator[Metric]:
        """Read everything. What cannot be read is absent and `awb_up` is 0; nothing is raised."""
        sheet = Sheet()
        sheet.put("awb_build_info", 1, self._version, self.config.settings.public_url.rstrip("/"))
        info: dict[str, Any] = {}
        why = _failure(lambda: info.update(self._info()))
        sheet.put("awb_redis_up", not why and not info.get("loading"))
        complete = not why
        for source in () if why else self._sources(sheet, info):
            why = _failure(source)
            complete = complete and not why
            if why == _GONE:
                break  # the others would wait for it, too
        sheet.put("awb_up", complete)
        return sheet.families()

    def _sources(self, sheet: Sheet, info: dict[str, Any]) -> Iterator[Callable[[], None]]:
        yield partial(sources.put_redis, sheet, info)
        yield partial(sources.put_budget, sheet, self.redis, self.config.settings.redis_budget)
        yield partial(sources.put_queues, sheet, self.redis)
        yield lambda: sheet.put("awb_last_sweep_timestamp_seconds", last_sweep(self.redis))
        yield partial(sources.put_refusals, sheet, self.redis)
        names: list[str] = []
        yield lambda: names.extend(self._deployments(sheet))
        # Complete by now: each source is read before the next one.
        for name in names:
            store, own = Store(self.redis, name).glance(), self.config.of(name)
            yield partial(sources.put_usage, sheet, store, own)
            yield partial(sources.put_coder, sheet, store, own)
            yield partial(sources.put_alerts, sheet, store)
            yield partial(sources.put_health, sheet, store, own)
            yield partial(sources.put_relays, sheet, store)
            yield partial(self._put_counters, sheet, store)

    def _put_counters(self, sheet: Sheet, store: Store) -> None:
        stats = store.inbox.stats()
        sources.put_deliveries(sheet, store.deployment, stats)
        sources.put_notifications(sheet, self.config.of(store.deployment), store.deployment, stats)

    def _deployments(self, sheet: Sheet) -> list[str]:
        """Return the deployments to report, the configured one first."""
        names = list(dict.fromkeys([self.config.settings.deployment, *deployments(self.redis)]))
        sheet.put("awb_deployments", len(names))
        return names[:MOST_DEPLOYMENTS]

    def _info(self) -> dict[str, Any]:
        return server_info(self.redis).facts


def _failure(source: Callable[[], None]) -> str:
    """Read one source, and return in a word why it cannot be read; empty if it can."""
    try:
        source()
    except _UNREADABLE as error:
        why = unavailable(error) or "unreadable"
        # Without its text, which may contain stored data.
        log.warning("metrics incomplete", why=why, error=type(error).__name__)
        return why
    return ""


def _impatient(connection: "redis.Redis") -> "redis.Redis":
    """Return separate connections with a short time-out: an unresponsive Redis is reported, not waited for."""
    pool = connection.connection_pool
    patience = {"socket_timeout": _PATIENCE_SECONDS, "socket_connect_timeout": _PATIENCE_SECONDS}
    settings = {**pool.connection_kwargs, **patience, "retry": Retry(NoBackoff(), 0)}
    return redis.Redis(connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **settings))


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # the version is not a number
        return choose_encoder("")
