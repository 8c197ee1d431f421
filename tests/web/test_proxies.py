"""Behind real proxies on the same machine, whatever a stranger writes, nobody is taken for somebody here."""

import http.client
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import Message
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import redis
import time_machine
from structlog.testing import capture_logs

from app.config.load import Config
from app.store.server.connection import connect
from app.store.throttle import FREE
from app.web.factory import create_app
from tests.conftest import RedisServer, make_config
from tests.guides.blocks import block
from tests.web.guarded import OPEN, PASSWORDS, TOKENS
from tests.web.make import basic, notification
from tests.web.proxies import FORWARDED_WITH_PORTS, KEPT_HOST, Address, every_proxy, nginx, serving

NOON: Final = datetime(2030, 5, 17, 12, tzinfo=UTC)
PUBLIC: Final = "https://awb.example.com"
CONFIGURED: Final[dict[str, dict[str, str]]] = {
    "a public URL": {"public_url": PUBLIC},
    "a password": {"admin_password_hash": OPEN["admin_password_hash"]},
    "a viewer's password": {"viewer_password_hash": OPEN["viewer_password_hash"]},
    "a token": {"api_tokens": OPEN["api_tokens"]},
    "a proxy that signs people in": {"proxy_addresses": "10.0.0.5", "proxy_user_header": "X-User"},
    "the setting": {"trust_loopback": "never"},
}
HOSTS: Final = ("localhost", "127.0.0.1:8787", "[::1]:8787", "awb.example.com")
SHOWN: Final = (("GET", "/"), ("GET", "/api/v1/usage"), ("GET", "/records"), ("GET", "/metrics"), ("POST", "/silences"))


def ask(
    address: Address, method: str, path: str, host: str, body: bytes | None = None, source: str = "", **headers: str
) -> tuple[int, Message, bytes]:
    """Send one request over a connection of its own, from some loopback address."""
    connection = http.client.HTTPConnection(*address, timeout=20, source_address=(source, 0) if source else None)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Host": host, **named})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@contextmanager
def receiver(redis_server: RedisServer, **settings: Any) -> Iterator[tuple[Config, Address]]:
    config = make_config(redis_server.url, **settings)
    with serving(create_app(config, connect(redis_server.url)), config) as address:
        yield config, address


@pytest.mark.parametrize("configured", CONFIGURED)
def test_a_stranger_behind_a_proxy_here_gets_nothing_whatever_host_is_written(
    redis_server: RedisServer, connection: "redis.Redis", configured: str
) -> None:
    with receiver(redis_server, **CONFIGURED[configured]) as (_, address), every_proxy(address) as proxies:
        for (name, proxy), host, (method, path) in itertools.product(proxies.items(), HOSTS, SHOWN):
            code, headers, _ = ask(proxy, method, path, host, b"" if method == "POST" else None)
            led_to_login = code == 303 and headers["Location"].startswith("/login")
            assert led_to_login or code in (401, 403), (name, host, path, code)


def test_without_any_of_these_the_machine_itself_needs_no_login(
    redis_server: RedisServer, connection: "redis.Redis"
) -> None:
    for public_url in ("", "http://localhost:8787", "http://127.0.0.1:8787"):
        with receiver(redis_server, public_url=public_url) as (_, address):
            assert ask(address, "GET", "/api/v1/usage", "localhost:8787")[0] == 200
            assert ask(address, "GET", "/api/v1/usage", "evil.example:8787")[0] == 403


def test_the_setting_lets_this_machine_in_beside_passwords(
    redis_server: RedisServer, connection: "redis.Redis"
) -> None:
    with receiver(redis_server, **OPEN, public_url=PUBLIC) as (_, address):
        assert ask(address, "GET", "/api/v1/usage", "localhost:8787")[0] == 200
        assert ask(address, "GET", "/api/v1/usage", "awb.example.com")[0] == 401


def test_coder_delivers_through_every_proxy(redis_server: RedisServer, connection: "redis.Redis") -> None:
    with receiver(redis_server, public_url=PUBLIC) as (_, address), every_proxy(address) as proxies:
        for number, (name, proxy) in enumerate(proxies.items()):
            body = notification(f"through-{number}")
            code, _, said = ask(proxy, "POST", "/v1/webhook", "awb.example.com", body, **basic())
            assert (code, json.loads(said)["status"]) == (202, "accepted"), name


def test_through_every_proxy_a_token_opens_the_api(redis_server: RedisServer, connection: "redis.Redis") -> None:
    token = {"Authorization": f"Bearer {TOKENS['viewer']}"}
    with (
        receiver(redis_server, **OPEN | {"trust_loopback": "auto"}, public_url=PUBLIC) as (_, address),
        every_proxy(address) as proxies,
    ):
        for name, proxy in proxies.items():
            assert ask(proxy, "GET", "/api/v1/usage", "awb.example.com", **token)[0] == 200, name


def log_in(proxy: Address, source: str, password: str) -> int:
    """Send the form of the login from a loopback address; return the status."""
    _, headers, page = ask(proxy, "GET", "/login", "awb.example.com", source=source)
    found = re.search(rb'name="csrf_token" value="([^"]+)"', page)
    assert found
    form = urlencode({"csrf_token": found[1].decode(), "password": password}).encode()
    cookie = headers["Set-Cookie"].partition(";")[0]
    kind = "application/x-www-form-urlencoded"
    return ask(
        proxy, "POST", "/login", "awb.example.com", form, source, Cookie=cookie, Content_Type=kind, Origin=PUBLIC
    )[0]


@pytest.mark.parametrize(
    "written",
    [{"more": KEPT_HOST + FORWARDED_WITH_PORTS}, {"places": block("docs/operation.md", "Access")}],
    ids=["with ports", "as documented"],
)
def test_a_guesser_locks_nobody_else_out_and_the_log_names_him(
    redis_server: RedisServer, connection: "redis.Redis", written: dict[str, str]
) -> None:
    behind = {**OPEN, "trust_loopback": "auto", "public_url": PUBLIC, "proxy_addresses": "127.0.0.1"}
    with (
        capture_logs() as lines,
        receiver(redis_server, **behind) as (_, address),
        nginx(address, **written) as proxy,
        # The wait for the next attempt must not pass on a slow machine.
        time_machine.travel(NOON, tick=False),
    ):
        codes = [log_in(proxy, "127.0.0.5", "wrong") for _ in range(FREE + 1)]
        assert codes == [401] * FREE + [429]
        assert log_in(proxy, "127.0.0.6", PASSWORDS["admin"]) == 303
    assert [line["client"] for line in lines if line["event"] == "login failed"] == ["127.0.0.5"] * FREE
