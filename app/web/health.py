"""GET /healthz: this process answers. GET /readyz: it can also take deliveries."""

import redis
from flask import Blueprint, Response, jsonify, make_response

from app.config import Config
from app.store.connection import unavailable


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the health routes; they need no login and tell nothing but health."""
    del config
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @routes.get("/readyz")
    def readyz() -> Response:
        try:
            connection.ping()
            info = connection.info("persistence")
        except (redis.exceptions.RedisError, OSError) as error:
            return make_response(jsonify(status="unavailable", redis=unavailable(error)), 503)
        if info.get("loading"):
            return make_response(jsonify(status="unavailable", redis="loading"), 503)
        return jsonify(status="ok", redis="ok")

    return routes
