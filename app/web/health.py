"""GET /healthz: this process answers. GET /readyz: it can also take deliveries, and says whether they are worked on."""

from typing import Final

import redis
from flask import Blueprint, Response, jsonify, make_response

from app.config.load import Config
from app.store.rq.queues import Queues
from app.store.server.connection import unavailable, with_timeout
from app.store.server.info import check_writable

#: For each answer of Redis: a load balancer waits a second or so, and an answer that comes later is none.
PATIENCE_SECONDS: Final = 0.4


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the health routes; they need no login and tell nothing but health."""
    del config
    quick = with_timeout(connection, PATIENCE_SECONDS)
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @routes.get("/readyz")
    def readyz() -> Response:
        try:
            check_writable(quick)
            idle = Queues(quick).without_worker()
        except (redis.exceptions.RedisError, OSError) as error:
            return make_response(jsonify(status="unavailable", redis=unavailable(error)), 503)
        if idle:
            # Still 200: what arrives is kept, and Coder loses what a load balancer turns away.
            return jsonify(status="degraded", redis="ok", without_worker=idle)
        return jsonify(status="ok", redis="ok")

    return routes
