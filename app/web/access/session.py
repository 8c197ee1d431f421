"""Sessions: a signed cookie with an id stored in Redis. They end by time, by logout, and when the password changes."""

import secrets
from datetime import timedelta

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from app import clock
from app.core.access.people import Person
from app.store.sessions import Sessions
from app.web.access.policy import Policy, Who

COOKIE = "awb_session"


class _Cookies(SecureCookieSessionInterface):
    """Flask's cookie; Secure according to the configured URL, except on this machine, which uses plain HTTP."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        # Deliveries send no cookie, and need not spend time on sessions.
        return super().open_session(app, request) if "HTTP_COOKIE" in request.environ else self.session_class()

    def get_cookie_secure(self, app: Flask) -> bool:
        del app
        return self._policy.secure and not self._policy.from_this_machine(request)


def install(app: Flask, policy: Policy, hours: int) -> None:
    """Set up an application's sessions: HttpOnly, SameSite=Strict, and ending after the given number of hours."""
    app.secret_key = policy.secret
    app.session_interface = _Cookies(policy)
    app.config.update(
        SESSION_COOKIE_NAME=COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=hours),
    )


def begin(app: Flask, policy: Policy, sessions: Sessions, who: Who) -> None:
    """Begin a new session with none of the old one's data, and end the old one, to prevent session fixation.

    Raises:
        redis.exceptions.RedisError: it could not be stored.
    """
    end(sessions)
    made, lifetime = secrets.token_urlsafe(32), app.permanent_session_lifetime
    sessions.begin(made, who.name, int(lifetime.total_seconds()))
    session.permanent = True
    ends = clock.now() + lifetime
    session.update(id=made, name=who.name, bound=policy.binding(who), ends=ends.timestamp())


def end(sessions: Sessions) -> None:
    """End the session, which invalidates every copy of its cookie.

    Raises:
        redis.exceptions.RedisError: the session may still be valid.
    """
    known = session.get("id")
    if isinstance(known, str):
        sessions.end(known)
    session.clear()


def person(policy: Policy, sessions: Sessions) -> Person | None:
    """Return the session's user; None if it has ended or does not exist.

    Raises:
        redis.exceptions.RedisError: it is unknown whether it has ended.
    """
    made, name = session.get("id"), session.get("name")
    who = policy.named(name) if isinstance(name, str) and isinstance(made, str) else None
    # Each change of the cookie restarts the signature's own age, so that is not used.
    if who is None or session.get("bound") != policy.binding(who) or session.get("ends", 0) <= clock.now().timestamp():
        return None
    return Person(who.name, who.role, "session", who.only) if sessions.name(str(made)) == who.name else None
