"""The login: sessions, how they end, and that nobody guesses for long."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import redis
import structlog
import time_machine
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from werkzeug.security import generate_password_hash

from app.config.load import ConfigError
from app.store.audit import Audit
from app.store.server.connection import connect
from tests.conftest import RedisServer, make_config
from tests.web.guarded import PASSWORDS, Browser, build, here, settings

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


@pytest.fixture
def app(connection: "redis.Redis") -> Flask:
    return build(connection, settings())


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as travelled:
        yield travelled


@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_a_password_begins_a_session_of_its_role(app: Flask, role: str) -> None:
    browser = Browser(app)
    answer = browser.login(PASSWORDS[role])
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert browser.ask("/who").get_json() == [role, role, "session"]


@pytest.mark.parametrize("password", ["", "x", PASSWORDS["admin"] + " ", PASSWORDS["admin"].upper(), "x" * 1001])
def test_another_password_begins_none(app: Flask, password: str) -> None:
    browser = Browser(app)
    answer = browser.login(password)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert browser.ask("/who").status_code == 303


def test_a_huge_password_is_not_even_read(app: Flask) -> None:
    assert Browser(app).login("x" * 20_000).status_code == 413


def test_where_one_role_has_a_password_the_other_has_none(connection: "redis.Redis") -> None:
    app = build(connection, settings(admin_password_hash=""))
    assert Browser(app).login(PASSWORDS["admin"]).status_code == 401
    assert Browser(app).login(PASSWORDS["viewer"]).status_code == 303


def test_without_a_password_there_is_no_login(connection: "redis.Redis") -> None:
    app = build(connection, settings(admin_password_hash="", viewer_password_hash=""))
    answer = Browser(app).ask("/login")
    assert answer.status_code == 403
    assert "awb access hash" in answer.text
    assert "<input" not in answer.text
    browser = here(app)
    token = browser.page_token()
    assert browser.ask("/login", "POST", data={"csrf_token": token, "password": "x"}).status_code == 403


def test_who_is_in_needs_no_form(app: Flask) -> None:
    answer = here(app).ask("/login?next=/page")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/page")


@pytest.mark.parametrize(
    ("following", "location"), [("/days/1?x=1", "/days/1?x=1"), ("//evil.example", "/"), ("https://evil.example", "/")]
)
def test_the_login_leads_on_within_this_site(app: Flask, following: str, location: str) -> None:
    browser = Browser(app)
    form = browser.ask(f"/login?{urlencode({'next': following})}").text
    found = re.search(r'name="next" value="([^"]*)"', form)
    assert found
    assert found[1] == location
    assert browser.login(PASSWORDS["admin"], following).headers["Location"] == location


def test_the_address_is_not_put_into_the_page_as_it_stands(app: Flask) -> None:
    assert "<script>" not in Browser(app).ask("/login?next=/%22%3E%3Cscript%3E").text


def test_the_form_is_labelled_and_asks_no_script(app: Flask) -> None:
    text = Browser(app).ask("/login").text
    assert '<label for="password">' in text
    assert 'autocomplete="current-password"' in text
    assert '<html lang="en">' in text
    assert "<script" not in text
    assert "style=" not in text


def test_the_password_is_not_shown_again(app: Flask) -> None:
    assert "guessed wrong" not in Browser(app).login("guessed wrong").text


# ---- the cookie ----


def cookie_line(browser: Browser) -> str:
    return browser.login(PASSWORDS["admin"]).headers.getlist("Set-Cookie")[-1]


@pytest.mark.parametrize(
    ("public_url", "secure"), [("", False), ("http://awb.example.com", False), ("https://awb.example.com", True)]
)
def test_the_cookie_is_for_this_site_alone(connection: "redis.Redis", public_url: str, secure: bool) -> None:
    parts = cookie_line(Browser(build(connection, settings(public_url=public_url)))).split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(parts)
    assert ("Secure" in parts) is secure
    assert not [part for part in parts if part.startswith("Domain")]


def test_on_this_machine_there_is_no_tls_to_ask_for(connection: "redis.Redis") -> None:
    app = build(connection, settings(public_url="https://awb.example.com"))
    assert "Secure" not in here(app).ask("/page").headers["Set-Cookie"]


def test_the_cookie_holds_neither_password_nor_hash(app: Flask) -> None:
    browser = Browser(app)
    browser.login(PASSWORDS["admin"])
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    inside = serializer.loads(str(browser.cookie))
    assert set(inside) == {"_permanent", "id", "name", "bound", "ends"}
    assert settings().settings.admin_password_hash.get_secret_value()[-20:] not in repr(inside)  # type: ignore[union-attr]


def test_a_login_takes_over_nothing_of_the_session_before(app: Flask) -> None:
    """Neither the token of its forms, nor the cookie that somebody may have planted."""
    browser = Browser(app)
    before = browser.token()
    planted = browser.cookie
    browser.login(PASSWORDS["admin"])
    assert browser.page_token() != before
    assert browser.ask("/do", "POST", data={"csrf_token": before}).status_code == 403
    assert Browser(app, cookie=planted).ask("/who").status_code == 303


def forged(secret: str, salt: str = "cookie-session") -> str:
    inside = {"id": "x", "name": "admin", "bound": "x", "ends": NOON.timestamp() * 2}
    return URLSafeTimedSerializer(secret, salt=salt, signer_kwargs={"key_derivation": "hmac"}).dumps(inside)


def test_a_forged_cookie_is_none(app: Flask) -> None:
    browser = Browser(app)
    browser.login(PASSWORDS["viewer"])
    good = str(browser.cookie)
    body, _, rest = good.partition(".")
    admin = Browser(build(connect("unix:///nowhere"), settings()))
    tampered = [good[:-2], good + "x", f"{body}x.{rest}", f".{good}", "x", "..", "a.b.c", "\x00", "x" * 5000]
    for cookie in [*tampered, forged("another secret"), forged(str(app.secret_key))]:
        admin.cookie = cookie
        assert admin.ask("/who").status_code == 303, cookie
        assert admin.ask("/login").status_code == 200, cookie


def test_a_session_of_a_role_that_is_none_is_none(app: Flask) -> None:
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    for inside in (
        {"name": "admin"},
        {"name": "admin", "id": "x"},
        {"name": "owner", "id": "x", "bound": "", "ends": 9e9},
        {"name": ["admin"], "id": "x"},
        {"name": "admin", "id": ["x"], "bound": "", "ends": 9e9},
        {"role": "admin", "bound": "", "ends": 9e9},
        {},
        {"ends": 9e9},
    ):
        assert Browser(app, cookie=str(serializer.dumps(inside))).ask("/who").status_code == 303


def test_a_session_ends_by_time_however_much_it_is_used(
    connection: "redis.Redis", clock: time_machine.Traveller
) -> None:
    browser = Browser(build(connection, settings(session_hours=2)))
    browser.login(PASSWORDS["admin"])
    for minutes in (60, 119):
        clock.move_to(NOON + timedelta(minutes=minutes))
        # A page with a form changes the cookie, whose signature is then younger.
        token = browser.page_token()
        assert browser.ask("/do", "POST", data={"csrf_token": token}).status_code == 200
    clock.move_to(NOON + timedelta(minutes=120))
    assert browser.ask("/who").status_code == 303
    assert browser.ask("/do", "POST", data={"csrf_token": token}).status_code == 403


def test_a_changed_password_ends_its_sessions_and_no_others(connection: "redis.Redis", app: Flask) -> None:
    admin, viewer = Browser(app), Browser(app)
    admin.login(PASSWORDS["admin"])
    viewer.login(PASSWORDS["viewer"])
    again = generate_password_hash(PASSWORDS["admin"], "scrypt:16384:1:1")
    changed = build(connection, settings(admin_password_hash=again))
    assert Browser(changed, cookie=admin.cookie).ask("/who").status_code == 303
    assert Browser(changed, cookie=viewer.cookie).ask("/who").status_code == 200


def test_a_removed_password_ends_its_sessions(connection: "redis.Redis", app: Flask) -> None:
    browser = Browser(app)
    browser.login(PASSWORDS["viewer"])
    removed = build(connection, settings(viewer_password_hash=""))
    assert Browser(removed, cookie=browser.cookie).ask("/who").status_code == 303


def test_a_session_holds_in_every_process_with_the_secret_and_in_no_other(
    connection: "redis.Redis", app: Flask
) -> None:
    browser = Browser(app)
    browser.login(PASSWORDS["admin"])
    for secret, code in ((settings().settings.session_secret, 200), ("some other secret of sessions", 303), ("", 303)):
        text = secret if isinstance(secret, str) or secret is None else secret.get_secret_value()
        other = build(connection, settings(session_secret=text))
        assert Browser(other, cookie=browser.cookie).ask("/who").status_code == code


# ---- logout ----


def test_logout_ends_the_session_by_post_with_the_token_only(app: Flask) -> None:
    browser = Browser(app)
    browser.login(PASSWORDS["viewer"])
    token = browser.page_token()
    assert browser.ask("/logout").status_code == 405
    assert browser.ask("/logout", "POST").status_code == 403
    assert browser.ask("/logout", "POST", data={"csrf_token": token}, Origin="http://evil.example").status_code == 403
    assert browser.ask("/who").status_code == 200
    assert browser.ask("/logout", "POST", data={"csrf_token": token}).status_code == 303
    assert browser.cookie is None
    assert browser.ask("/who").status_code == 303


def test_logout_ends_every_copy_of_the_cookie_in_every_process(connection: "redis.Redis", app: Flask) -> None:
    browser = Browser(app)
    browser.login(PASSWORDS["admin"])
    other = Browser(app)
    other.login(PASSWORDS["admin"])
    token, copied = browser.page_token(), browser.cookie
    browser.ask("/logout", "POST", data={"csrf_token": token})
    for place in (app, build(connection, settings())):
        copy = Browser(place, cookie=copied)
        assert copy.ask("/who").status_code == 303
        assert copy.ask("/do", "POST", data={"csrf_token": token}).status_code == 403
    assert other.ask("/who").status_code == 200


def test_a_new_login_ends_the_session_before_it(app: Flask) -> None:
    browser = Browser(app)
    browser.login(PASSWORDS["viewer"])
    token, before = browser.page_token(), browser.cookie
    browser.ask("/login", "POST", data={"csrf_token": token, "password": PASSWORDS["admin"]})
    assert browser.ask("/who").get_json()[0] == "admin"
    assert Browser(app, cookie=before).ask("/who").status_code == 303


def test_what_lies_in_redis_lets_nobody_in_and_goes_by_itself(connection: "redis.Redis", app: Flask) -> None:
    browser = Browser(app)
    browser.login(PASSWORDS["admin"])
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    session_id = serializer.loads(str(browser.cookie))["id"]
    (key,) = connection.scan_iter(match="awb:v1:session:*")
    assert session_id.encode() not in key
    assert connection.get(key) == b"admin"
    assert 0 < connection.ttl(key) <= 12 * 3600


# ---- people by name ----

ADA, BEN = "ada's long password", "ben's long password"
LOGINS = "\n".join(
    f"{name}:{role}:{generate_password_hash(password, 'scrypt:16384:1:1')}"
    for name, role, password in (("ada", "admin", ADA), ("ben@example.com", "viewer", BEN))
)


@pytest.fixture
def named(connection: "redis.Redis") -> Flask:
    return build(connection, settings(logins=LOGINS))


def test_people_log_in_by_name_and_act_by_name(connection: "redis.Redis", named: Flask) -> None:
    ada, ben = Browser(named), Browser(named)
    assert ada.login(ADA, name="ada").status_code == 303
    assert ben.login(BEN, name=" ben@example.com ").status_code == 303
    assert ada.ask("/who").get_json() == ["ada", "admin", "session"]
    assert ben.ask("/who").get_json() == ["ben@example.com", "viewer", "session"]
    assert [entry.actor for entry in Audit(connection, "default").newest(9)] == ["ben@example.com", "ada"]
    ada.ask("/logout", "POST", data={"csrf_token": ada.page_token()})
    (entry, *_) = Audit(connection, "default").newest(1)
    assert (entry.actor, entry.action) == ("ada", "logout")


def test_shared_passwords_go_on_beside_the_names(named: Flask) -> None:
    for name in ("", "admin"):
        browser = Browser(named)
        assert browser.login(PASSWORDS["admin"], name=name).status_code == 303
        assert browser.ask("/who").get_json() == ["admin", "admin", "session"]


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", BEN),
        ("ben@example.com", ADA),
        ("", ADA),
        ("Ada", ADA),
        ("nobody", ADA),
        ("ada", PASSWORDS["admin"]),
        ("viewer", PASSWORDS["admin"]),
        ("ada\x00", ADA),
    ],
)
def test_a_name_takes_its_own_password_alone(named: Flask, name: str, password: str) -> None:
    browser = Browser(named)
    assert browser.login(password, name=name).status_code == 401
    assert browser.ask("/who").status_code == 303


def test_the_form_asks_for_a_name_where_there_are_names(named: Flask, app: Flask) -> None:
    assert '<label for="name">' in Browser(named).ask("/login").text
    assert '<label for="name">' not in Browser(app).ask("/login").text


@pytest.mark.parametrize("after", ["", LOGINS.replace(":admin:", ":viewer:"), LOGINS.replace("ada:", "eve:")])
def test_a_changed_entry_ends_its_sessions(connection: "redis.Redis", named: Flask, after: str) -> None:
    browser = Browser(named)
    browser.login(ADA, name="ada")
    changed = build(connection, settings(logins=after))
    assert Browser(changed, cookie=browser.cookie).ask("/who").status_code == 303


def test_names_alone_close_the_door_on_this_machine(connection: "redis.Redis") -> None:
    config = make_config(logins=LOGINS, session_secret="the session secret of the tests")
    assert here(build(connection, config)).ask("/page").status_code == 303


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ("ada:admin:the%password", "what follows ada:admin: is no password hash"),
        ("ada the%password", "awb access login"),
        ("ada:owner:" + LOGINS.partition("admin:")[2].split()[0], "awb access login"),
        ("admin:admin:" + LOGINS.partition("admin:")[2].split()[0], "all admins share"),
        ("ada:admin:scrypt:2:8:1$aaaaaaaa$" + "0" * 128, "too cheap"),
        (LOGINS + "," + LOGINS, "names ada twice"),
    ],
)
def test_wrong_entries_are_refused_with_the_remedy_and_not_repeated(wrong: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(logins=wrong)
    assert "AWB_LOGINS" in str(caught.value)
    assert remedy in str(caught.value)
    assert "the%password" not in str(caught.value)
    assert "$" not in str(caught.value)


# ---- the form of the login is a form like others ----


def test_another_site_cannot_log_anybody_in(app: Flask) -> None:
    browser = Browser(app)
    assert browser.login(PASSWORDS["admin"], Origin="https://evil.example").status_code == 403
    assert browser.login(PASSWORDS["admin"], Sec_Fetch_Site="cross-site").status_code == 403
    assert browser.ask("/login", "POST", data={"password": PASSWORDS["admin"]}).status_code == 403
    assert browser.ask("/who").status_code == 303


# ---- who guesses ----


def test_guesses_are_counted_over_all_processes(redis_server: RedisServer, app: Flask, clock: object) -> None:
    apps = [app, build(connect(redis_server.url), settings())]
    codes = [Browser(apps[number % 2]).login("guess").status_code for number in range(7)]
    assert codes == [401] * 5 + [429] * 2


def test_the_right_password_waits_as_well_and_then_resets(app: Flask, clock: time_machine.Traveller) -> None:
    browser = Browser(app)
    for _ in range(5):
        browser.login("guess")
    refused = browser.login(PASSWORDS["admin"])
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert "Try again in 1 s" in refused.text
    assert browser.ask("/who").status_code == 303
    clock.shift(timedelta(seconds=1))
    assert browser.login(PASSWORDS["admin"]).status_code == 303
    assert [Browser(app).login("guess").status_code for _ in range(6)] == [401] * 5 + [429]


def test_a_viewer_cannot_guess_the_admins_password_between_two_logins(app: Flask, clock: object) -> None:
    codes = []
    for _ in range(6):
        codes.append(Browser(app).login("guess").status_code)
        Browser(app).login(PASSWORDS["viewer"])
    assert codes == [401] * 5 + [429]


def test_strangers_do_not_lock_out_an_admin_at_another_address(app: Flask, clock: object) -> None:
    for _ in range(20):
        Browser(app).login("guess")
    assert Browser(app, peer="198.51.100.3").login(PASSWORDS["admin"]).status_code == 303


def test_a_header_does_not_change_the_address_of_who_guesses(app: Flask, clock: object) -> None:
    codes = [
        Browser(app, headers={"X-Forwarded-For": f"198.51.100.{number}"}).login("guess").status_code
        for number in range(6)
    ]
    assert codes[-1] == 429


def test_behind_the_proxy_each_client_is_counted_for_itself(app: Flask, clock: object) -> None:
    def guess(client: str, number: int) -> int:
        made_up = f"203.0.113.{number}"
        return Browser(app, peer="10.0.0.5", headers={"X-Forwarded-For": f"{made_up}, {client}"}).login("x").status_code

    codes = [guess("198.51.100.1", number) for number in range(6)]
    assert codes == [401] * 5 + [429]
    assert guess("198.51.100.2", 7) == 401


def test_while_redis_is_away_nobody_logs_in(connection: "redis.Redis", app: Flask) -> None:
    browser = Browser(app)
    browser.login(PASSWORDS["viewer"])
    away = build(connect("unix:///nowhere/redis.sock"), settings())
    answer = Browser(away).login(PASSWORDS["admin"])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "unreachable" in answer.text
    # Nor does anybody stay in: whether a session has ended cannot be seen.
    answer = Browser(away, cookie=browser.cookie).ask("/who")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert here(away).ask("/who").status_code == 200


# ---- traces ----


def test_logins_are_in_the_audit_trail_and_failures_in_the_log_without_the_password(
    connection: "redis.Redis", app: Flask
) -> None:
    with structlog.testing.capture_logs() as logged:
        Browser(app).login("guessed wrong")
        Browser(app).login(PASSWORDS["admin"])
    (entry,) = Audit(connection, "default").newest(9)
    assert (entry.actor, entry.action, entry.detail) == ("admin", "login", "from 192.0.2.7")
    assert [(line["event"], line["client"]) for line in logged] == [("login failed", "192.0.2.7")]
    assert "guessed" not in repr(logged)
