"""The HTTP API, /api/v1. On loopback it needs no login; from elsewhere it is refused until access is configured."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

import redis
from flask import Blueprint, Response, jsonify, make_response, request

from app.config import Config
from app.core.meter import AWB
from app.settings import DEPLOYMENT_NAME
from app.store.alerts import Alerts
from app.store.connection import unavailable
from app.store.inbox import Inbox
from app.store.ledger import Ledger
from app.web.answers import coder_answer, record_answer, usage_answer

_MOST_RECORDS = 500
_LIMIT: Final = re.compile(r"[0-9]{1,3}")
# Python's float() takes more than Redis does, "nan" and "1_0" among it.
_CURSOR: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?~.+")
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the API's routes. Every one takes `?deployment=`, by default the configured one."""
    routes = Blueprint("api", __name__, url_prefix="/api/v1")

    @routes.before_request
    def guard() -> Response | None:
        if not _from_loopback():
            return _problem(403, "The API answers on loopback only. Ask on the machine itself, or by an SSH tunnel.")
        if not DEPLOYMENT_NAME.fullmatch(_deployment(config)):
            return _problem(400, "`deployment` takes lower-case letters, digits and dashes.")
        return None

    @routes.errorhandler(redis.exceptions.RedisError)
    def store_away(error: redis.exceptions.RedisError) -> Response:
        return _problem(503, f"Redis is {unavailable(error)}.")

    _add_usage(routes, config, connection)
    _add_history(routes, config, connection)
    return routes


def _add_usage(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/usage")
    def usage() -> Response:
        return jsonify(usage_answer(connection, config, _deployment(config)))

    @routes.get("/records")
    def records() -> Response:
        limit = request.args.get("limit", "100")
        cursor = request.args.get("cursor")
        if not _LIMIT.fullmatch(limit) or not 1 <= int(limit) <= _MOST_RECORDS:
            return _problem(400, f"`limit` is a number from 1 to {_MOST_RECORDS}.")
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            return _problem(400, "`cursor` is not one that this API gave out; leave it out to start anew.")
        page, following = Ledger(connection, _deployment(config), AWB).page(cursor, int(limit))
        return jsonify(records=[record_answer(record) for record in page], next=following)


def _add_history(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/deliveries/<message_id>")
    def delivery(message_id: str) -> Response:
        found = Inbox(connection, _deployment(config)).delivery(message_id)
        if found is None:
            return _problem(404, "No such delivery is known: not received, not classified yet, or expired.")
        return jsonify(found)

    @routes.get("/coder")
    def coder() -> Response:
        return jsonify(coder_answer(connection, config, _deployment(config)))

    @routes.get("/notifications")
    def notifications() -> Response:
        return jsonify(notifications=Alerts(connection, _deployment(config)).history())


def _from_loopback() -> bool:
    """Tell whether a person on this machine asks, and not a proxy, nor a page that rebinds a name to loopback."""
    if any(header in request.headers for header in _FORWARDED):
        return False
    host = urlsplit("//" + request.host).hostname or ""
    return _is_loopback(request.remote_addr or "") and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _deployment(config: Config) -> str:
    return request.args.get("deployment", config.settings.deployment)


def _problem(code: int, detail: str) -> Response:
    """Answer an error as RFC 9457 says."""
    answer = make_response(jsonify(type="about:blank", status=code, detail=detail), code)
    answer.content_type = "application/problem+json"
    return answer
