"""A small application behind the guard, and requests to it from anywhere."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import redis
from flask import Flask, jsonify
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from app.config.load import Config
from app.core.access.people import token_digest
from app.web.access.guard import csrf_token, guard, person, require_admin
from tests.conftest import make_config

PASSWORDS: Final = {"admin": "the admin's long password", "viewer": "the viewer's long password"}
TOKENS: Final = {"admin": "awb_admins", "viewer": "awb_viewers"}
#: As cheap as may be, for speed.
HASHES: Final = {role: generate_password_hash(text, "scrypt:16384:1:1") for role, text in PASSWORDS.items()}
USER_HEADER: Final = "X-Auth-Request-User"
OPEN: Final = {
    "session_secret": "the session secret of the tests",
    "trust_loopback": "always",
    "admin_password_hash": HASHES["admin"],
    "viewer_password_hash": HASHES["viewer"],
    "api_tokens": ",".join(f"{role}:{token_digest(token)}" for role, token in TOKENS.items()),
    "proxy_addresses": "10.0.0.5,127.0.0.2/32,fd00::/8",
    "proxy_user_header": USER_HEADER,
    "proxy_admins": "ada,zoë",
}


def build(connection: "redis.Redis", config: Config) -> Flask:
    app = Flask("app.web", static_folder=None)
    guard(app, config, connection)

    def who() -> Any:
        asker = person()
        return jsonify([asker.name, asker.role, asker.by] if asker else None)

    app.add_url_rule("/page", "page", lambda: f"<p>{csrf_token()}</p>")
    app.add_url_rule("/who", "who", who)
    app.add_url_rule("/api/v1/who", "api_who", who)
    app.add_url_rule("/do", "do", require_admin(who), methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    app.add_url_rule("/api/v1/do", "api_do", require_admin(who), methods=["GET", "POST", "DELETE"])
    app.add_url_rule("/forgotten", "forgotten", who, methods=["GET", "POST"])
    app.add_url_rule("/metrics", "metrics", lambda: "awb_used 1\n")
    app.add_url_rule("/v1/webhook", "webhook", who, methods=["POST"])
    for path in ("/healthz", "/readyz", "/static/awb.css"):
        app.add_url_rule(path, path, who)
    return app


@dataclass
class Browser:
    """Somebody at an address, with the cookie of this site alone."""

    app: Flask
    peer: str = "192.0.2.7"
    host: str = "awb.example.com"
    headers: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "HTTP/1.1"
    scheme: str = "http"
    cookie: str | None = None

    def ask(self, path: str, method: str = "GET", *, data: Any = None, **headers: str) -> TestResponse:
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.cookie:
            sent["Cookie"] = f"awb_session={self.cookie}"
        environ = {"REMOTE_ADDR": self.peer, "HTTP_HOST": self.host, "SERVER_PROTOCOL": self.protocol}
        answer = self.app.test_client(use_cookies=False).open(
            path, method=method, data=data, headers=sent, environ_overrides=environ, base_url=f"{self.scheme}://test"
        )
        for line in answer.headers.getlist("Set-Cookie"):
            self.cookie = line.partition(";")[0].partition("=")[2] or None
        return answer

    def token(self) -> str:
        """Return the token of the form of the login."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.ask("/login").text)
        assert found
        return found[1]

    def login(self, password: str, following: str | None = None, name: str = "", **headers: str) -> TestResponse:
        data = {"csrf_token": self.token(), "password": password} | ({"name": name} if name else {})
        return self.ask("/login", "POST", data=data | ({"next": following} if following is not None else {}), **headers)

    def page_token(self) -> str:
        """Return the token that a page gives to somebody who is in."""
        return self.ask("/page").text.removeprefix("<p>").removesuffix("</p>")


def here(app: Flask, **more: Any) -> Browser:
    return Browser(app, peer="127.0.0.1", host="127.0.0.1:8787", **more)


def settings(**more: Any) -> Config:
    return make_config(**{**OPEN, **more})
