"""GET /healthz: this process answers. GET /readyz: it can also take deliveries, and says whether they are worked on.

`/readyz?verbose` adds the verdict on the installation's health. Nobody has to log in, so it names the checks and how
they ended; what they found is in `/api/v1/health` and on the page.
"""

from typing import Any, Final

import redis
from flask import Blueprint, Response, jsonify, make_response, request

from app.answers.health import verdict
from app.config.load import Config
from app.store.rq.queues import Queues
from app.store.server.connection import unavailable, with_timeout
from app.store.server.info import check_writable
from app.store.store import Store

#: For each answer of Redis: a load balancer waits a second or so, and an answer that comes later is none.
PATIENCE_SECONDS: Final = 0.4


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the health routes; they need no login and tell nothing but health."""
    quick = with_timeout(connection, PATIENCE_SECONDS)
    routes = Blueprint("health", __name__)
    store = Store(quick, config.settings.deployment)

    def health() -> dict[str, Any]:
        if "verbose" not in request.args:
            return {}
        found = verdict(store, config)
        return {"health": found.result.value, "checks": {check: found.of(check).value for check in found.checks}}

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @routes.get("/readyz")
    def readyz() -> Response:
        try:
            check_writable(quick)
            idle = Queues(quick).without_worker()
        except (redis.exceptions.RedisError, OSError) as error:
            return make_response(jsonify(status="unavailable", redis=unavailable(error), **health()), 503)
        if idle:
            # Still 200: what arrives is kept, and Coder loses what a load balancer turns away.
            return jsonify(status="degraded", redis="ok", without_worker=idle, **health())
        return jsonify(status="ok", redis="ok", **health())

    return routes
