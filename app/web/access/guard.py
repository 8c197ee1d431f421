"""Access control for the whole application."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final, ParamSpec

import redis
from flask import Flask, Response, abort, g, make_response, redirect, request, url_for

from app.config.load import Config
from app.core.access.people import Person, Role
from app.store.server.connection import unavailable
from app.store.sessions import Sessions
from app.web import errors
from app.web.access import csrf, feedtoken, login, scope, session
from app.web.access.csrf import csrf_token
from app.web.access.policy import Policy
from app.web.paths import rooted

__all__ = ["csrf_token", "guard", "person", "require_admin"]

P = ParamSpec("P")
#: Paths that check their own credentials, or are public: /v1/ is for requests from other services.
_OPEN: Final = ("/v1/", "/static/")
_OPEN_EXACTLY: Final = ("/healthz", "/readyz")
_METRICS: Final = "/metrics"
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_TO_OPEN: Final = (
    "set AWB_ADMIN_PASSWORD_HASH (from “awb access hash”), AWB_API_TOKENS (from “awb access token”), or "
    "AWB_PROXY_ADDRESSES and AWB_PROXY_USER_HEADER."
)
_CLOSED: Final = (
    f"Access is limited to this machine. Use it there, or through an SSH tunnel. To allow other access, {_TO_OPEN}"
)
_CLOSED_HERE: Final = (
    "No login is possible yet, not even on this machine, because others can reach this service (AWB_PUBLIC_URL or "
    f"AWB_PROXY_ADDRESSES is set) or AWB_TRUST_LOOPBACK is “never”. To allow access, {_TO_OPEN}"
)
_UNKNOWN: Final = "Send “Authorization: Bearer …” with a token of AWB_API_TOKENS, or log in at /login."
_NO_LOGIN: Final = "Pages are only for users that the configured proxy names (AWB_PROXY_USER_HEADER)."
_ENDED: Final = "You are not logged in, or your session has ended. Log in at /login and try again; nothing was changed."
_NO_METRICS: Final = (
    "Metrics need a token of AWB_API_TOKENS, or their own address (AWB_METRICS_BIND). On this machine they need no "
    "token if AWB_TRUST_LOOPBACK allows it."
)
_VIEWER: Final = "Viewers can only read. This needs an admin."


class _UnknownError(Exception):
    """It is unknown whether a session has ended; the message says what is wrong with Redis."""


def guard(app: Flask, config: Config, connection: "redis.Redis") -> None:
    """Admit only people and programs that the settings allow, and reject requests forged by other sites.

    Adds /login and /logout, and `person()`, `csrf_token()` and `rooted()` to the templates. Any change needs an admin.

    Raises:
        ValueError: an access setting is invalid.
    """
    policy, sessions = Policy.of(config.settings), Sessions(connection)
    session.install(app, policy, config.settings.session_hours)
    app.register_blueprint(login.blueprint(config, connection, policy))
    app.jinja_env.globals.update(csrf_token=csrf_token, person=person, rooted=rooted)
    app.register_error_handler(_UnknownError, _away)
    elsewhere = bool(config.settings.metrics_bind)

    @app.before_request
    def admit() -> Response | None:
        path = request.path
        # Unknown paths answer 404 or 405 to everybody, so that a wrong path in Coder's endpoint is reported as such.
        if request.routing_exception or path.startswith(_OPEN) or path in _OPEN_EXACTLY:
            return None
        if feedtoken.admits(request, config):
            return None
        g.person = _identify(policy, sessions)
        denied = _foreign(policy) or scope.objection()
        if denied:
            return _refuse(403, denied)
        if path == _METRICS:
            return _metrics(elsewhere)
        if path == "/login":
            request.max_content_length = login.LARGEST_FORM
        elif g.person is None:
            return _nobody(policy)
        return _unwanted(policy)

    @app.after_request
    def protect(answer: Response) -> Response:
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if answer.mimetype == "text/html":
            answer.headers["Content-Security-Policy"] = _POLICY
            # With no-referrer, browsers would send “Origin: null” with our own forms (fetch.spec.whatwg.org, append a
            # request Origin header).
            answer.headers["Referrer-Policy"] = "same-origin"
            answer.headers["Cache-Control"] = "no-store"
        return answer


def person() -> Person | None:
    """Return who sent the request; None for nobody, as on the login page."""
    found: Person | None = g.get("person")
    return found


def require_admin(view: Callable[P, Any]) -> Callable[P, Any]:
    """Make a view answer 403 to everybody except admins."""

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Any:
        asker = person()
        return view(*args, **kwargs) if asker and asker.role is Role.ADMIN else _refuse(403, _VIEWER)

    return checked


def _identify(policy: Policy, sessions: Sessions) -> Person | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    # A request with a token is judged only by it: a wrong one must be noticed, and a viewer's gives no admin rights on
    # loopback.
    if scheme.lower() == "bearer" and (_for_programs() or request.path == _METRICS):
        return policy.by_token(token.strip())
    if policy.trusts_loopback and policy.from_this_machine(request):
        return Person("loopback", Role.ADMIN, "loopback")
    try:
        return policy.by_proxy(request) or session.person(policy, sessions)
    except (redis.exceptions.RedisError, OSError) as error:
        raise _UnknownError(unavailable(error)) from error


def _away(error: _UnknownError) -> Response:
    detail = f"Redis is {error}, so access cannot be checked. Try again later."
    return _refuse(503, detail, {"Retry-After": str(login.RETRY_AFTER_SECONDS)})


def _foreign(policy: Policy) -> str | None:
    """Refuse a script of another site that reads as a person on this machine."""
    asker = person()
    here = asker is not None and asker.by == "loopback"
    return csrf.FOREIGN if here and csrf.reads_across_origins(policy.public_url) else None


def _metrics(elsewhere: bool) -> Response | None:
    if elsewhere:
        abort(404)
    asker = person()
    if asker and asker.by in ("loopback", "token"):
        return None
    return _refuse(403, _NO_METRICS)


def _nobody(policy: Policy) -> Response:
    if not policy.configured:
        return _refuse(403, _CLOSED if policy.trusts_loopback else _CLOSED_HERE)
    if _for_programs():
        return _refuse(401, _UNKNOWN, {"WWW-Authenticate": 'Bearer realm="awb"'})
    if not policy.people:
        return _refuse(403, _NO_LOGIN)
    # A redirected POST would arrive as a GET and appear to succeed.
    if request.method not in _SAFE:
        return _refuse(403, _ENDED)
    return make_response(redirect(url_for("login.form", next=request.full_path.rstrip("?")), 303))


def _unwanted(policy: Policy) -> Response | None:
    """Refuse a change that the person did not intend, or that a viewer may not make."""
    asker = person()
    if request.method in _SAFE or (asker and asker.by == "token" and asker.role is Role.ADMIN):
        return None
    objection = None if asker and asker.by == "token" else csrf.objection(policy.public_url)
    if objection:
        return _refuse(403, objection)
    viewer = asker is not None and asker.role is Role.VIEWER and not request.path.startswith(("/login", "/logout"))
    return _refuse(403, _VIEWER) if viewer else None


def _for_programs() -> bool:
    return (request.path + "/").startswith("/api/") and not errors.for_people()


def _refuse(code: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    # Without the frame, which names deployments, because nobody is authenticated here.
    return errors.answer(errors.Problem(code, detail, title="Access denied", headers=headers), framed=False)
