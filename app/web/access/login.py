"""GET and POST /login, POST /logout."""

import math
from typing import Final

import redis
import structlog
from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template, request

from app import clock
from app.config.load import Config
from app.core.access.origin import local_path
from app.core.access.people import Role
from app.store.audit import Audit
from app.store.server.connection import unavailable
from app.store.throttle import Throttle
from app.web.access import session
from app.web.access.policy import Policy

log = structlog.get_logger(__name__)
LARGEST_FORM: Final = 16_384
_RETRY_AFTER_SECONDS: Final = 30
_WRONG: Final = "This is neither the admin's nor the viewer's password."
_NO_LOGIN: Final = (
    "No password is configured. Make one with “awb access hash” and set AWB_ADMIN_PASSWORD_HASH or "
    "AWB_VIEWER_PASSWORD_HASH."
)


def blueprint(config: Config, connection: "redis.Redis", policy: Policy) -> Blueprint:
    """Build the routes; the guard has checked the form's token before."""
    routes = Blueprint("login", __name__)
    throttle = Throttle(connection)
    audit = Audit(connection, config.settings.deployment)

    @routes.get("/login")
    def form() -> Response:
        if g.person is not None:
            return _go(request.args.get("next"))
        return _page(200) if policy.passwords else _page(403, _NO_LOGIN)

    @routes.post("/login")
    def login() -> Response:
        if not policy.passwords:
            return _page(403, _NO_LOGIN)
        try:
            return _try(policy, throttle, audit)
        except (redis.exceptions.RedisError, OSError) as error:
            log.error("login refused", why=unavailable(error), error=type(error).__name__)
            return _later(503, f"Redis is {unavailable(error)}. Try again later.", _RETRY_AFTER_SECONDS)

    @routes.post("/logout")
    def logout() -> Response:
        session.end()
        return _go("/")

    return routes


def _try(policy: Policy, throttle: Throttle, audit: Audit) -> Response:
    client = policy.client(request)
    wait = throttle.begin(client, clock.now())
    if wait > 0:
        seconds = math.ceil(wait)
        return _later(429, f"Too many wrong passwords. Try again in {seconds} s.", seconds)
    role = policy.role_of(request.form.get("password", ""))
    if role is None:
        log.warning("login failed", client=client)
        return _page(401, _WRONG)
    # A viewer who guesses the admin's password must not wipe out the failures by the own one in between.
    (throttle.reset if role is Role.ADMIN else throttle.forgive)(client)
    audit.write(role.value, "login", f"from {client}")
    session.begin(current_app, policy, role)
    return _go(request.form.get("next"))


def _go(path: str | None) -> Response:
    return make_response(redirect(local_path(path), 303))


def _later(code: int, message: str, seconds: int) -> Response:
    answer = _page(code, message)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _page(code: int, message: str = "") -> Response:
    following = local_path(request.values.get("next"))
    page = render_template("login.html", message=message, next=following, ask=code != 403)  # noqa: PLR2004 - Forbidden
    return make_response(page, code)
