"""Who gets in, from where, with what, and may do what; and that no other site's page acts for them."""

import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
from flask import Flask, jsonify, request
from werkzeug.security import generate_password_hash

from app.core.access.people import LONGEST_PASSWORD, Role, token_digest
from app.store.server.connection import connect
from app.web import server
from app.web.access.policy import Policy
from tests.conftest import PATIENCE, RedisServer, make_config
from tests.web.guarded import HASHES, OPEN, PASSWORDS, TOKENS, USER_HEADER, Browser, build, here, settings

AWAY = "unix:///nowhere/redis.sock"
CLOSED = {"trust_loopback": "always", "proxy_addresses": "10.0.0.5", "proxy_admins": "ada"}


@pytest.fixture
def app(connection: "redis.Redis") -> Flask:
    """Return an application with every way in."""
    return build(connection, settings())


@pytest.fixture
def cookies(app: Flask) -> dict[str, str]:
    """Return the cookies of sessions that passwords began."""
    found = {}
    for role, password in PASSWORDS.items():
        browser = Browser(app)
        assert browser.login(password).status_code == 303
        found[role] = str(browser.cookie)
    return found


# Where the request comes from, and which of the three kinds of askers this is.
PLACES: list[tuple[str, dict[str, Any], str]] = [
    ("this machine", {"peer": "127.0.0.1", "host": "127.0.0.1:8787"}, "here"),
    ("this machine by name", {"peer": "127.0.0.1", "host": "localhost:8787"}, "here"),
    ("this machine by IPv6", {"peer": "::1", "host": "[::1]:8787"}, "here"),
    ("a name rebound to loopback", {"peer": "127.0.0.1", "host": "evil.example:8787"}, "there"),
    ("a name that begins like loopback", {"peer": "127.0.0.1", "host": "127.0.0.1.evil.example"}, "there"),
    ("no host", {"peer": "127.0.0.1", "host": ""}, "there"),
    ("an unnamed proxy here", {"peer": "127.0.0.1", "host": "localhost", "protocol": "HTTP/1.0"}, "there"),
    *(
        (
            f"an unnamed proxy here with {name}",
            {"peer": "127.0.0.1", "host": "localhost", "headers": {name: "x"}},
            "there",
        )
        for name in ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "Via")
    ),
    ("elsewhere", {"peer": "192.0.2.7", "host": "awb.example.com"}, "there"),
    ("elsewhere with a forged host", {"peer": "192.0.2.7", "host": "localhost:8787"}, "there"),
    ("elsewhere with a forged origin", {"headers": {"X-Forwarded-For": "127.0.0.1"}, "host": "127.0.0.1"}, "there"),
    ("elsewhere with a proxy's address forged", {"headers": {"X-Forwarded-For": "10.0.0.5"}}, "there"),
    ("the proxy", {"peer": "10.0.0.5"}, "proxy"),
    ("the proxy by IPv6", {"peer": "fd00::5"}, "proxy"),
    ("the proxy, forwarding", {"peer": "10.0.0.5", "headers": {"X-Forwarded-For": "192.0.2.7"}}, "proxy"),
    ("a proxy here", {"peer": "127.0.0.2", "host": "localhost:8787"}, "proxy"),
    ("a proxy here, forwarding", {"peer": "127.0.0.2", "headers": {"X-Forwarded-For": "192.0.2.7"}}, "proxy"),
    ("a proxy here in IPv6's way", {"peer": "::ffff:127.0.0.2", "host": "localhost:8787"}, "proxy"),
]
#: What the asker shows: headers, whose session.
SHOWN: dict[str, tuple[dict[str, str], str | None]] = {
    "nothing": ({}, None),
    "a wrong token": ({"Authorization": "Bearer awb_wrong"}, None),
    "a digest as token": ({"Authorization": f"Bearer {token_digest(TOKENS['admin'])}"}, None),
    "an empty token": ({"Authorization": "Bearer "}, None),
    "the webhook's Basic": ({"Authorization": "Basic YTpi"}, None),
    "a viewer's token": ({"Authorization": f"Bearer {TOKENS['viewer']}"}, None),
    "an admin's token": ({"Authorization": f"bearer {TOKENS['admin']}"}, None),
    "a viewer's session": ({}, "viewer"),
    "an admin's session": ({}, "admin"),
    "a user of the proxy": ({USER_HEADER: "bob"}, None),
    "an admin of the proxy": ({USER_HEADER: "ada"}, None),
    "two users of the proxy": ({USER_HEADER: "bob,ada"}, None),
    "a user of the proxy, a session": ({USER_HEADER: "bob"}, "admin"),
}
WRONG_TOKENS = ("a wrong token", "a digest as token", "an empty token")
LOOPBACK = ["loopback", "admin", "loopback"]


def session_of(role: str | None) -> list[str] | None:
    return [role, role, "session"] if role else None


def who_is_it(kind: str, shown: str, *, api: bool) -> list[str] | None:
    """Say who somebody is, as the documentation has it: name, role and what proves it."""
    headers, session = SHOWN[shown]
    if api and shown.endswith("token"):
        if shown in WRONG_TOKENS:
            return None
        role = "admin" if "admin" in shown else "viewer"
        return [f"token {token_digest(TOKENS[role])[:8]}", role, "token"]
    user = headers.get(USER_HEADER)
    if kind == "here" and not user:
        return LOOPBACK
    if kind == "proxy" and user in ("ada", "bob"):
        return [user, "admin" if user == "ada" else "viewer", "proxy"]
    return session_of(session)


@pytest.mark.parametrize(("where", "kind"), [place[1:] for place in PLACES], ids=[place[0] for place in PLACES])
def test_who_gets_in_from_where_with_what(
    app: Flask, cookies: dict[str, str], where: dict[str, Any], kind: str
) -> None:
    for shown, (headers, session) in SHOWN.items():
        browser = Browser(app, **{**where, "headers": {**where.get("headers", {}), **headers}})
        for path in ("/who", "/api/v1/who"):
            browser.cookie = cookies.get(session or "")
            api = path.startswith("/api/")
            answer = browser.ask(path)
            expected = who_is_it(kind, shown, api=api)
            if expected:
                assert (answer.status_code, answer.get_json()) == (200, expected), (shown, path)
            else:
                assert answer.status_code == (401 if api else 303), (shown, path)


@pytest.mark.parametrize("where", [place[1] for place in PLACES], ids=[place[0] for place in PLACES])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_who_may_change_something_from_where_with_what(
    app: Flask, cookies: dict[str, str], where: dict[str, Any], method: str
) -> None:
    """With the token of the form from the same session; a bearer token needs none."""
    kind = next(place[2] for place in PLACES if place[1] is where)
    for shown, (headers, session) in SHOWN.items():
        for path in ("/do", "/api/v1/do"):
            api = path.startswith("/api/")
            browser = Browser(app, **{**where, "headers": {**where.get("headers", {}), **headers}})
            browser.cookie = cookies.get(session or "")
            person = who_is_it(kind, shown, api=api)
            by_page = who_is_it(kind, shown, api=False)
            token = {"X_CSRF_Token": browser.page_token()} if by_page else {}
            expected = (401 if api else 403) if person is None else 200 if person[1] == "admin" else 403
            assert browser.ask(path, method, **token).status_code == expected, (shown, path)
            if person and person[2] != "token":
                assert browser.ask(path, method).status_code == 403, (shown, path)


@pytest.mark.parametrize(("where", "kind"), [place[1:] for place in PLACES], ids=[place[0] for place in PLACES])
def test_without_configured_access_only_this_machine_gets_in(where: dict[str, Any], kind: str) -> None:
    closed = build(connect(AWAY), make_config(**CLOSED))
    for shown, path in itertools.product(SHOWN, ("/who", "/api/v1/who", "/login", "/do")):
        browser = Browser(closed, **{**where, "headers": {**where.get("headers", {}), **SHOWN[shown][0]}})
        # 127.0.0.2 is no proxy in this configuration.
        unproxied = where.get("peer", "").endswith("127.0.0.2") and not where.get("headers")
        by_token = shown.endswith("token") and path.startswith("/api/")
        answer = browser.ask(path)
        if (kind == "here" or unproxied) and not by_token:
            assert answer.status_code == (303 if path == "/login" else 200), (shown, path)
        else:
            assert answer.status_code == 403, (shown, path)
            assert "awb access hash" in answer.text


def test_the_remedy_is_a_problem_for_programs_and_a_page_for_people() -> None:
    closed = Browser(build(connect(AWAY), make_config()))
    problem, page = closed.ask("/api/v1/who"), closed.ask("/who")
    assert problem.content_type == "application/problem+json"
    assert problem.get_json()["status"] == 403
    assert page.mimetype == "text/html"
    for answer in (problem, page):
        assert "AWB_ADMIN_PASSWORD_HASH" in answer.text
        assert "AWB_API_TOKENS" in answer.text


def test_a_program_without_a_token_learns_what_to_send(app: Flask) -> None:
    answer = Browser(app).ask("/api/v1/who")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="awb"'
    assert answer.get_json()["status"] == 401


def test_a_person_is_led_to_the_login_and_back(app: Flask) -> None:
    browser = Browser(app)
    location = urlsplit(browser.ask("/who?day=1&user=a%26b").headers["Location"])
    assert (location.path, parse_qs(location.query)) == ("/login", {"next": ["/who?day=1&user=a%26b"]})


def test_a_change_by_nobody_is_not_redirected_and_so_cannot_look_done(app: Flask) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = Browser(app).ask("/do", method)
        assert (answer.status_code, "Location" in answer.headers) == (403, False)
        assert "/login" in answer.text


def test_where_no_password_is_configured_nobody_is_led_to_the_login() -> None:
    only_tokens = build(connect(AWAY), make_config(api_tokens=OPEN["api_tokens"]))
    answer = Browser(only_tokens).ask("/who")
    assert (answer.status_code, answer.mimetype) == (403, "text/html")


@pytest.mark.parametrize("asker", [Browser, here], ids=["elsewhere", "here"])
def test_what_is_not_there_is_not_there_for_anybody(app: Flask, asker: Callable[[Flask], Browser]) -> None:
    for path in ("/none", "/api/v1/none", "/v1/none"):
        assert {asker(app).ask(path, method).status_code for method in ("GET", "POST", "DELETE")} == {404}
    assert asker(app).ask("/api/v1/who", "POST").status_code == 405


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/static/awb.css"])
def test_health_and_style_need_no_login(app: Flask, path: str) -> None:
    assert Browser(app).ask(path).get_json() is None
    assert Browser(app).ask(path).status_code == 200


def test_the_webhook_checks_its_own_secret(app: Flask) -> None:
    assert Browser(app).ask("/v1/webhook", "POST", Origin="https://evil.example").status_code == 200


# ---- metrics ----


@pytest.mark.parametrize(
    ("where", "shown", "code"),
    [
        ({"peer": "127.0.0.1", "host": "localhost:8787"}, "nothing", 200),
        ({}, "nothing", 403),
        ({}, "a wrong token", 403),
        ({}, "a viewer's token", 200),
        ({}, "an admin's token", 200),
        ({}, "an admin's session", 403),
        ({"peer": "10.0.0.5"}, "an admin of the proxy", 403),
    ],
)
def test_metrics_are_for_this_machine_or_a_token(
    app: Flask, cookies: dict[str, str], where: dict[str, str], shown: str, code: int
) -> None:
    headers, session = SHOWN[shown]
    assert Browser(app, **where, headers=headers, cookie=cookies.get(session or "")).ask("/metrics").status_code == code


def test_metrics_with_an_address_of_their_own_are_not_here() -> None:
    elsewhere = build(connect(AWAY), settings(metrics_bind="127.0.0.1:9100"))
    assert here(elsewhere).ask("/metrics").status_code == 404
    assert Browser(elsewhere).ask("/metrics", Authorization=f"Bearer {TOKENS['admin']}").status_code == 404


# ---- the proxy's header ----


def test_without_a_configured_header_no_proxy_names_users() -> None:
    plain = build(connect(AWAY), settings(proxy_user_header=""))
    for name in (USER_HEADER, "X-Forwarded-User", "Remote-User"):
        assert Browser(plain, peer="10.0.0.5").ask("/who", **{name: "ada"}).status_code == 303


def test_a_header_for_the_user_without_proxies_lets_nobody_in() -> None:
    config = make_config(proxy_admins="ada")
    half = config.settings.model_copy(update={"proxy_user_header": USER_HEADER})
    nobody = build(connect(AWAY), replace(config, settings=half))
    for peer in ("10.0.0.5", "127.0.0.1"):
        assert Browser(nobody, peer=peer, host="localhost").ask("/who", **{USER_HEADER: "ada"}).status_code == 403


def test_names_of_admins_are_exact(app: Flask) -> None:
    for name, role in (("ada", "admin"), ("Ada", "viewer"), ("ada ", "admin"), ("zoë", "admin"), ("zoe", "viewer")):
        user = name.encode().decode("latin-1")
        assert Browser(app, peer="10.0.0.5").ask("/who", **{USER_HEADER: user}).get_json()[1] == role


@pytest.fixture(scope="module")
def proxied(redis_server: RedisServer) -> Iterator[tuple[str, int]]:
    """Return the address of the real server, to which everything on 127.0.0.1 is a proxy."""
    config = settings(proxy_addresses="127.0.0.1")
    listener = server.listen("127.0.0.1", 0)
    running = server.server(build(connect(AWAY), config), config.settings, listener)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    yield listener.getsockname()
    running.task_dispatcher.shutdown()
    running.close()
    thread.join(PATIENCE)


def raw(address: tuple[str, int], *headers: str) -> tuple[int, str]:
    """Send a request as it stands; status and body of the answer."""
    with socket.create_connection(address, timeout=10) as connected:
        lines = ["GET /api/v1/who HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
        connected.sendall("\r\n".join(lines).encode())
        answer = b"".join(iter(lambda: connected.recv(65_536), b"")).decode()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2].strip()


BOB, ADA = f"{USER_HEADER}: bob", f"{USER_HEADER}: ada"
ADA_TOO = ADA.replace("-", "_")


@pytest.mark.parametrize(
    ("headers", "code", "name"),
    [
        ([BOB], 200, "bob"),
        ([BOB.lower()], 200, "bob"),
        ([BOB, ADA_TOO], 200, "bob"),
        ([ADA_TOO, BOB], 200, "bob"),
        ([f"{BOB}\r\n ada"], 200, "bob ada"),
        ([], 401, None),
        ([BOB, ADA], 401, None),
        ([ADA, BOB], 401, None),
        ([ADA, ADA], 401, None),
        ([ADA_TOO], 401, None),
        ([f"HTTP_{ADA_TOO}"], 401, None),
        (["Remote-User: ada", "REMOTE_USER: ada", "Remote_Addr: 127.0.0.1"], 401, None),
        ([BOB, f"{USER_HEADER}\t: ada"], 400, None),
        ([BOB, f"{USER_HEADER} : ada"], 400, None),
    ],
)
def test_no_way_of_writing_the_header_twice_makes_somebody_else(
    proxied: tuple[str, int], headers: list[str], code: int, name: str | None
) -> None:
    found, body = raw(proxied, *headers)
    assert found == code
    if name:
        assert json.loads(body) == [name, "viewer", "proxy"]


# ---- other sites' pages ----

SITE = "http://awb.example.com"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"Origin": SITE, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://awb.example.com:8080"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": SITE, "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
@pytest.mark.parametrize("role", ["loopback", "session", "proxy"])
def test_a_change_comes_from_a_page_of_this_site(
    app: Flask, cookies: dict[str, str], headers: dict[str, str], code: int, role: str
) -> None:
    browser = {
        "loopback": here(app),
        "session": Browser(app, cookie=cookies["admin"]),
        "proxy": Browser(app, peer="10.0.0.5", headers={USER_HEADER: "ada"}),
    }[role]
    own = {name: value.replace("awb.example.com", browser.host) for name, value in headers.items()}
    if role == "loopback" and headers.get("Origin", "").endswith(":8080"):
        own["Origin"] = "http://127.0.0.1:3000"
    assert browser.ask("/do", "POST", data={"csrf_token": browser.page_token()}, **own).status_code == code


@pytest.mark.parametrize("path", ["/page", "/who", "/api/v1/who", "/metrics"])
def test_a_script_of_another_site_reads_nothing_on_this_machine(app: Flask, path: str) -> None:
    browser = here(app)
    for origin in ("https://evil.example", "null", "http://127.0.0.1:3000"):
        assert browser.ask(path, Origin=origin, Sec_Fetch_Site="cross-site").status_code == 403
        assert browser.ask(path, Origin=origin).status_code == 403
    assert browser.ask(path, Origin=f"http://{browser.host}").status_code == 200
    # A link in a message, followed.
    assert browser.ask(path, Sec_Fetch_Site="cross-site").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_form_of_another_session_is_refused(app: Flask, cookies: dict[str, str], method: str) -> None:
    mallory = here(app)
    theirs = mallory.page_token()
    for victim in (here(app), Browser(app, cookie=cookies["admin"])):
        own = victim.page_token()
        for token in (theirs, "", "ü", own[:-1], own + "x"):
            assert victim.ask("/do", method, data={"csrf_token": token}).status_code == 403
        assert victim.ask("/do", method, data={"csrf_token": own}).status_code == 200


@pytest.mark.parametrize("data", [{}, {"csrf_token": ""}])
def test_no_session_and_no_token_do_not_match(app: Flask, data: dict[str, str]) -> None:
    assert here(app).ask("/do", "POST", data=data).status_code == 403


def test_a_token_in_the_address_is_none(app: Flask) -> None:
    browser = here(app)
    assert browser.ask(f"/do?csrf_token={browser.page_token()}", "POST").status_code == 403


def test_a_session_keeps_its_token_from_page_to_page(app: Flask) -> None:
    browser = here(app)
    assert browser.page_token() == browser.page_token()


def test_on_loopback_a_page_sets_a_cookie_that_only_this_site_sends(app: Flask) -> None:
    (line,) = here(app).ask("/page").headers.getlist("Set-Cookie")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(line.split("; "))
    assert "Domain" not in line


def test_looking_sets_no_cookie(app: Flask) -> None:
    for path in ("/who", "/api/v1/who", "/metrics", "/healthz"):
        assert "Set-Cookie" not in here(app).ask(path).headers


def test_the_cookie_of_loopback_is_nobody_elsewhere(app: Flask) -> None:
    browser = here(app)
    browser.page_token()
    assert Browser(app, cookie=browser.cookie).ask("/who").status_code == 303


def test_a_body_of_json_is_still_there_after_the_check(connection: "redis.Redis") -> None:
    app = build(connection, settings())

    @app.post("/api/v1/echo")
    def echo() -> Any:
        return jsonify(request.get_json())

    browser = here(app)
    token = browser.page_token()
    answer = browser.ask("/api/v1/echo", "POST", data='{"a": 1}', Content_Type="application/json", X_CSRF_Token=token)
    assert answer.get_json() == {"a": 1}


def test_a_viewer_changes_nothing_even_where_a_view_forgot_to_ask(app: Flask, cookies: dict[str, str]) -> None:
    codes = {}
    for role in ("viewer", "admin"):
        browser = Browser(app, cookie=cookies[role])
        assert browser.ask("/forgotten").status_code == 200
        codes[role] = browser.ask("/forgotten", "POST", data={"csrf_token": browser.page_token()}).status_code
    assert codes == {"viewer": 403, "admin": 200}
    by_token = Browser(app).ask("/api/v1/do", "POST", Authorization=f"Bearer {TOKENS['viewer']}")
    assert (by_token.status_code, by_token.get_json()["detail"]) == (
        403,
        "Viewers can only read. This needs an admin.",
    )


# ---- headers of answers ----


@pytest.mark.parametrize("path", ["/login", "/page", "/do"])
def test_pages_carry_the_headers_that_keep_them_closed(app: Flask, cookies: dict[str, str], path: str) -> None:
    headers = Browser(app, cookie=cookies["viewer"] if path == "/do" else None, host="x").ask(path).headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_programs_answers_keep_their_own_caching(app: Flask) -> None:
    headers = here(app).ask("/api/v1/who").headers
    assert "Cache-Control" not in headers
    assert headers["X-Content-Type-Options"] == "nosniff"


# ---- settings ----


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"admin_password_hash": "my password"}, "awb access hash"),
        ({"viewer_password_hash": HASHES["viewer"][:-1]}, "awb access hash"),
        ({"api_tokens": "awb_token"}, "awb access token"),
        ({"proxy_addresses": "10.0.0.1/8"}, "host bits"),
        ({"proxy_user_header": "X_User"}, "X-Forwarded-User"),
    ],
)
def test_wrong_settings_are_refused_with_the_remedy(wrong: dict[str, str], remedy: str) -> None:
    with pytest.raises(Exception, match=remedy):
        Policy.of(settings(**wrong).settings)


def test_a_password_beyond_all_measure_is_not_tried_even_if_it_is_right() -> None:
    for length, role in ((LONGEST_PASSWORD, Role.ADMIN), (LONGEST_PASSWORD + 1, None)):
        hashed = generate_password_hash("x" * length, "scrypt:16384:1:1")
        who = Policy.of(settings(admin_password_hash=hashed).settings).who("", "x" * length)
        assert (who and who.role) is role


def test_the_templates_know_who_asks(app: Flask) -> None:
    assert {"person", "csrf_token"} <= set(app.jinja_env.globals)
