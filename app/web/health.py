"""GET /healthz: this process answers. GET /readyz: it can also accept deliveries; reports whether workers process them.

`/readyz?verbose` adds the verdict on the installation's health. It needs no login, so it only has the checks and their
outcomes; the details are in `/api/v1/health` and on the page.
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

#: Time-out for each reply of Redis: load balancers wait about a second, and ignore later answers.
PATIENCE_SECONDS: Final = 0.4


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the health routes, which need no login and reveal nothing but health."""
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
            # Still 200: deliveries are stored, while Coder would lose those that a load balancer turns away.
            return jsonify(status="degraded", redis="ok", without_worker=idle, **health())
        return jsonify(status="ok", redis="ok", **health())

    return routes
