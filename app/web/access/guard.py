"""Who may see and who may act, over the whole application."""

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
from app.web.access import csrf, feedtoken, login, session
from app.web.access.csrf import csrf_token
from app.web.access.policy import Policy
from app.web.paths import rooted

__all__ = ["csrf_token", "guard", "person", "require_admin"]

P = ParamSpec("P")
#: What checks credentials of its own, or has nothing to hide: /v1/ is for other services' calls.
_OPEN: Final = ("/v1/", "/static/")
_OPEN_EXACTLY: Final = ("/healthz", "/readyz")
_METRICS: Final = "/metrics"
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_TO_OPEN: Final = (
    "set AWB_ADMIN_PASSWORD_HASH (“awb access hash” makes it), AWB_API_TOKENS (“awb access token”), or "
    "AWB_PROXY_ADDRESSES and AWB_PROXY_USER_HEADER."
)
_CLOSED: Final = (
    f"This answers on the machine itself only: ask there, or by an SSH tunnel. To open it to others, {_TO_OPEN}"
)
_CLOSED_HERE: Final = (
    "Nobody can log in yet, not even on the machine itself, because others reach this service (AWB_PUBLIC_URL or "
    f"AWB_PROXY_ADDRESSES is set) or AWB_TRUST_LOOPBACK is “never”. To open it, {_TO_OPEN}"
)
_UNKNOWN: Final = "Send “Authorization: Bearer …” with a token of AWB_API_TOKENS, or log in at /login."
_NO_LOGIN: Final = "Pages are open to those only whom the configured proxy names (AWB_PROXY_USER_HEADER)."
_ENDED: Final = "Nobody is logged in here, or no longer. Log in at /login and repeat it; nothing was changed."
_NO_METRICS: Final = (
    "Metrics take a token of AWB_API_TOKENS, or an address of their own (AWB_METRICS_BIND). This machine reads them "
    "without a token only where AWB_TRUST_LOOPBACK allows it."
)
_VIEWER: Final = "A viewer can only look. This takes an admin."


class _UnknownError(Exception):
    """Nobody can say whether a session has ended; the text says what is wrong with Redis."""


def guard(app: Flask, config: Config, connection: "redis.Redis") -> None:
    """Let nobody in whom the settings do not name, and no other site's page act for those.

    Adds /login and /logout, and `person()`, `csrf_token()` and `rooted()` to the templates. Changing anything takes an
    admin.

    Raises:
        ValueError: a setting of the access is wrong.
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
        # What has no view answers 404 or 405 to everybody: a wrong path in Coder's endpoint must be told as such.
        if request.routing_exception or path.startswith(_OPEN) or path in _OPEN_EXACTLY:
            return None
        if feedtoken.admits(request, config.settings.feed_token):
            return None
        g.person = _identify(policy, sessions)
        if g.person and g.person.by == "loopback" and csrf.reads_across_origins(policy.public_url):
            return _refuse(403, csrf.FOREIGN)
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
            # With no-referrer browsers would write “Origin: null” on our own forms (fetch.spec.whatwg.org, append a
            # request Origin header).
            answer.headers["Referrer-Policy"] = "same-origin"
            answer.headers["Cache-Control"] = "no-store"
        return answer


def person() -> Person | None:
    """Return who asks, None for nobody, as on the page of the login."""
    found: Person | None = g.get("person")
    return found


def require_admin(view: Callable[P, Any]) -> Callable[P, Any]:
    """Make a view answer 403 to all but admins."""

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Any:
        asker = person()
        return view(*args, **kwargs) if asker and asker.role is Role.ADMIN else _refuse(403, _VIEWER)

    return checked


def _identify(policy: Policy, sessions: Sessions) -> Person | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    # Who shows a token goes by that alone: a wrong one is to be noticed, and a viewer's is no admin's on loopback.
    if scheme.lower() == "bearer" and (_for_programs() or request.path == _METRICS):
        return policy.by_token(token.strip())
    if policy.trusts_loopback and policy.from_this_machine(request):
        return Person("loopback", Role.ADMIN, "loopback")
    try:
        return policy.by_proxy(request) or session.person(policy, sessions)
    except (redis.exceptions.RedisError, OSError) as error:
        raise _UnknownError(unavailable(error)) from error


def _away(error: _UnknownError) -> Response:
    detail = f"Redis is {error}, so nobody can be let in. Try again later."
    return _refuse(503, detail, {"Retry-After": str(login.RETRY_AFTER_SECONDS)})


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
    # A redirected POST would come as a GET and look done.
    if request.method not in _SAFE:
        return _refuse(403, _ENDED)
    return make_response(redirect(url_for("login.form", next=request.full_path.rstrip("?")), 303))


def _unwanted(policy: Policy) -> Response | None:
    """Refuse a change that is not its person's will, or not a viewer's to make."""
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
    # Without the frame, which names deployments: nobody is let in here, or not from there.
    return errors.answer(errors.Problem(code, detail, title="Refused", headers=headers), framed=False)
