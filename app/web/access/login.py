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
from app.store.sessions import Sessions
from app.store.throttle import Throttle
from app.web.access import session
from app.web.access.policy import Policy
from app.web.paths import rooted

log = structlog.get_logger(__name__)
LARGEST_FORM: Final = 16_384
RETRY_AFTER_SECONDS: Final = 30
_WRONG: Final = "Wrong password."
_WRONG_LOGIN: Final = "Wrong name or password."
_NO_LOGIN: Final = (
    "No password is configured. Create a login with “awb access login” and set AWB_LOGINS, or create a shared password "
    "with “awb access hash” and set AWB_ADMIN_PASSWORD_HASH or AWB_VIEWER_PASSWORD_HASH."
)


def blueprint(config: Config, connection: "redis.Redis", policy: Policy) -> Blueprint:
    """Build the routes; the guard has already checked the form's token."""
    routes = Blueprint("login", __name__)
    throttle = Throttle(connection)
    audit, sessions = Audit(connection, config.settings.deployment), Sessions(connection)

    @routes.get("/login")
    def form() -> Response:
        if g.person is not None:
            return _redirect(request.args.get("next"))
        return _page(200, policy=policy) if policy.people else _page(403, _NO_LOGIN)

    @routes.post("/login")
    def login() -> Response:
        if not policy.people:
            return _page(403, _NO_LOGIN)
        try:
            return _try(policy, throttle, audit, sessions)
        except (redis.exceptions.RedisError, OSError) as error:
            log.error("login refused", why=unavailable(error), error=type(error).__name__)
            return _later(503, f"Redis is {unavailable(error)}. Try again later.", RETRY_AFTER_SECONDS, policy)

    @routes.post("/logout")
    def logout() -> Response:
        try:
            session.end(sessions)
            if g.person is not None:
                audit.write(g.person.name, "logout", f"from {policy.client(request)}")
        except (redis.exceptions.RedisError, OSError) as error:
            return _later(503, f"Redis is {unavailable(error)}: you are still logged in.", RETRY_AFTER_SECONDS, policy)
        return _redirect("/")

    return routes


def _try(policy: Policy, throttle: Throttle, audit: Audit, sessions: Sessions) -> Response:
    client = policy.client(request)
    wait = throttle.begin(client, clock.now())
    if wait > 0:
        seconds = math.ceil(wait)
        return _later(429, f"Too many wrong passwords. Try again in {seconds} s.", seconds, policy)
    who = policy.who(request.form.get("name", "").strip(), request.form.get("password", ""))
    if who is None:
        log.warning("login failed", client=client)
        return _page(401, _WRONG_LOGIN if policy.needs_name else _WRONG, policy=policy)
    # A viewer who guesses an admin's password must not be able to reset the failures with their own password.
    (throttle.reset if who.role is Role.ADMIN else throttle.forgive)(client)
    audit.write(who.name, "login", f"from {client}")
    session.begin(current_app, policy, sessions, who)
    return _redirect(request.form.get("next"))


def _redirect(path: str | None) -> Response:
    return make_response(redirect(rooted(local_path(path)), 303))


def _later(code: int, message: str, seconds: int, policy: Policy) -> Response:
    answer = _page(code, message, policy=policy)
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _page(code: int, message: str = "", *, policy: Policy | None = None) -> Response:
    following = local_path(request.values.get("next"))
    names = policy is not None and policy.needs_name
    page = render_template("login.html", message=message, next=following, ask=policy is not None, names=names)
    return make_response(page, code)
