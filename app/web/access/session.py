"""Sessions: a signed cookie that ends by time, by logout, and when the password changes."""

from datetime import timedelta

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from app import clock
from app.core.access.people import Person, Role
from app.web.access.policy import Policy

COOKIE = "awb_session"


class _Cookies(SecureCookieSessionInterface):
    """Flask's cookie; Secure by the configured URL, but not to this machine itself, which speaks plain HTTP."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        # Deliveries bring no cookie, and are to pay nothing for sessions.
        return super().open_session(app, request) if "HTTP_COOKIE" in request.environ else self.session_class()

    def get_cookie_secure(self, app: Flask) -> bool:
        del app
        return self._policy.secure and not self._policy.from_this_machine(request)


def install(app: Flask, policy: Policy, hours: int) -> None:
    """Make an application's sessions: HttpOnly, SameSite=Strict, gone after so many hours, however much used."""
    app.secret_key = policy.secret
    app.session_interface = _Cookies(policy)
    app.config.update(
        SESSION_COOKIE_NAME=COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=hours),
    )


def begin(app: Flask, policy: Policy, role: Role) -> None:
    """Begin a session with nothing of the one before, whoever gave that to the browser."""
    session.clear()
    session.permanent = True
    ends = clock.now() + app.permanent_session_lifetime
    session.update(role=role.value, bound=policy.binding(role), ends=ends.timestamp())


def end() -> None:
    session.clear()


def person(policy: Policy) -> Person | None:
    """Return whose session this is, None where it has ended or is none."""
    role = next((role for role in policy.passwords if role.value == session.get("role")), None)
    # The signature's own age begins anew with each change of the cookie.
    if (
        role is None
        or session.get("bound") != policy.binding(role)
        or session.get("ends", 0) <= clock.now().timestamp()
    ):
        return None
    return Person(role.value, role, "session")
