"""Behind a path of a host: real proxies as docs/behind-a-path.md has them, links followed, and Chromium."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urljoin, urlsplit

import lxml.html
import pytest
import redis
import requests
from flask import Flask
from playwright.sync_api import Browser, expect
from werkzeug.exceptions import HTTPException

from app.config.load import Config
from app.config.publicurl import OWN_PATHS
from app.doctor.examine import examine
from app.simulator.loopback import free_port
from app.store.server.connection import connect
from tests.browser import world
from tests.conftest import RedisServer, make_config
from tests.guides.blocks import block
from tests.web.guarded import HASHES, PASSWORDS
from tests.web.make import basic, everything, notification
from tests.web.proxies import Address, caddy, haproxy, nginx, serving

GUIDE: Final = "docs/behind-a-path.md"
NGINX: Final = block(GUIDE, "nginx")
HAPROXY: Final = block(GUIDE, "HAProxy")
CADDY: Final = block(GUIDE, "Caddy")
#: Elsewhere on the same host.
BESIDE: Final = "location / { return 418; }"


@contextmanager
def nginx_keeps(upstream: Address, port: int) -> Iterator[Address]:
    with nginx(upstream, places=NGINX + BESIDE, port=port) as address:
        yield address


@contextmanager
def nginx_strips(upstream: Address, port: int) -> Iterator[Address]:
    assert "8787;" in NGINX
    with nginx(upstream, places=NGINX.replace("8787;", "8787/;") + BESIDE, port=port) as address:
        yield address


@contextmanager
def haproxy_keeps(upstream: Address, port: int) -> Iterator[Address]:
    tls = ":443 ssl crt /etc/haproxy/coder.pem"
    assert tls in HAPROXY
    parts = HAPROXY.replace(tls, f"127.0.0.1:{port}") + "backend coder\n    http-request return status 418\n"
    with haproxy(upstream, parts=parts, port=port) as address:
        yield address


@contextmanager
def haproxy_strips(upstream: Address, port: int) -> Iterator[Address]:
    removing = "backend awb\n    http-request replace-path ^/awb/?(.*) /\\1"
    kept = HAPROXY.replace(":443 ssl crt /etc/haproxy/coder.pem", f"127.0.0.1:{port}")
    parts = kept.replace("backend awb", removing) + "backend coder\n    http-request return status 418\n"
    assert removing in parts
    with haproxy(upstream, parts=parts, port=port) as address:
        yield address


@contextmanager
def caddy_keeps(upstream: Address, port: int) -> Iterator[Address]:
    coder = "reverse_proxy 127.0.0.1:3000"
    assert coder in CADDY
    with caddy(upstream, site=CADDY.replace(coder, "respond 418"), port=port) as address:
        yield address


@contextmanager
def caddy_strips(upstream: Address, port: int) -> Iterator[Address]:
    removing = CADDY.replace("handle /awb/*", "handle_path /awb/*")
    assert removing != CADDY
    with caddy(upstream, site=removing.replace("reverse_proxy 127.0.0.1:3000", "respond 418"), port=port) as address:
        yield address


PROXIES: Final = {
    "nginx keeps it": nginx_keeps,
    "nginx removes it": nginx_strips,
    "HAProxy keeps it": haproxy_keeps,
    "HAProxy removes it": haproxy_strips,
    "Caddy keeps it": caddy_keeps,
    "Caddy removes it": caddy_strips,
}


@dataclass
class Place:
    """The meter behind a proxy, at `<host>/awb`."""

    base: str
    direct: str
    app: Flask
    config: Config
    session: requests.Session = field(default_factory=requests.Session)

    def log_in(self) -> requests.Response:
        page = self.session.get(f"{self.base}/login?next=/queues", timeout=20)
        token = lxml.html.fromstring(page.text).xpath('//input[@name="csrf_token"]/@value')[0]
        form = {"csrf_token": token, "password": PASSWORDS["admin"], "next": "/queues"}
        return self.session.post(
            f"{self.base}/login", form, headers={"Origin": self.base.removesuffix("/awb")}, timeout=20
        )


def settings(port: int) -> dict[str, str]:
    return {
        "public_url": f"http://127.0.0.1:{port}/awb",
        "proxy_addresses": "127.0.0.1",
        "admin_password_hash": HASHES["admin"],
        "session_secret": "the session secret of the tests",
        "feed_token": "a-feed-token-of-the-tests",
    }


@pytest.fixture
def place(redis_server: RedisServer, connection: "redis.Redis", request: pytest.FixtureRequest) -> Iterator[Place]:
    """Return the meter with five months of usage."""
    port = free_port()
    config = world.sample(connection, redis_server.url, **settings(port))
    yield from behind(request.param, config, redis_server, port)


@pytest.fixture
def empty_place(
    redis_server: RedisServer, connection: "redis.Redis", request: pytest.FixtureRequest
) -> Iterator[Place]:
    port = free_port()
    yield from behind(request.param, make_config(redis_server.url, **settings(port)), redis_server, port)


def behind(proxy: str, config: Config, redis_server: RedisServer, port: int) -> Iterator[Place]:
    app = world.application(config, connect(redis_server.url))
    with serving(app, config) as address, PROXIES[proxy](address, port):
        yield Place(config.settings.public_url, f"http://127.0.0.1:{address[1]}", app, config)


every_proxy = pytest.mark.parametrize("empty_place", PROXIES, indirect=True)
#: The pages are the same behind each of them.
some_proxies = pytest.mark.parametrize(
    "place",
    ["nginx keeps it", *(pytest.param(name, marks=pytest.mark.long) for name in list(PROXIES)[1:])],
    indirect=True,
)
one_proxy = pytest.mark.parametrize("place", ["nginx keeps it"], indirect=True)
one_empty = pytest.mark.parametrize("empty_place", ["nginx removes it"], indirect=True)


def shape(place: Place, url: str) -> tuple[str, ...]:
    """Return what kind of page a URL leads to: one of a kind is followed."""
    parts = urlsplit(url)
    try:
        endpoint, _ = place.app.url_map.bind("meter").match(parts.path.removeprefix("/awb"), "GET")
    except HTTPException as error:
        return (type(error).__name__, parts.path)
    query = parse_qs(parts.query)
    return (endpoint, *query.get("format", []), *(query if len(query) == 1 else ()))


def links(page: requests.Response) -> Iterator[str]:
    """Yield what a page leads to or loads, forms included."""
    if not page.headers["Content-Type"].startswith("text/html") or not page.text:
        return
    for element, attribute, link, _ in lxml.html.fromstring(page.text).iterlinks():
        if attribute in ("href", "src", "action") and (element.tag != "form" or element.get("method") != "post"):
            yield urljoin(page.url, link)


@some_proxies
def test_every_link_stays_behind_the_path_and_leads_somewhere(place: Place) -> None:
    host = place.base.removesuffix("/awb")
    after = place.log_in()
    assert (after.status_code, after.url) == (200, f"{place.base}/queues")
    waiting, seen = [f"{place.base}/", f"{place.base}/api"], set[tuple[str, ...]]()
    found = set(waiting)
    while waiting:
        url = waiting.pop(0)
        if shape(place, url) in seen:
            continue
        seen.add(shape(place, url))
        page = place.session.get(url, headers={"Accept": "text/html"}, timeout=60)
        assert page.status_code == 200, (url, page.status_code)
        assert page.url.startswith(f"{place.base}/"), (url, page.url)
        forms = lxml.html.fromstring(page.text).xpath("//form/@action") if "<form" in page.text else []
        assert all(action.startswith("/awb/") for action in forms), (url, forms)
        new = {link.partition("#")[0] for link in links(page)} - found
        found |= new
        new = {link for link in new if link.startswith(host)}
        assert [link for link in new if not link.startswith(f"{place.base}/")] == []
        waiting += sorted(new)
    assert len(seen) > 40, seen


@every_proxy
def test_coder_delivers_and_programs_read_behind_the_path(empty_place: Place) -> None:
    place = empty_place
    answer = requests.post(f"{place.base}/v1/webhook", notification(), headers=basic(), timeout=20)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    again = requests.post(
        f"{place.base}//v1/webhook/", notification(), headers=basic(), allow_redirects=False, timeout=20
    )
    assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    wrong = requests.post(f"{place.base}/v1/webhook", notification(), headers=basic("wrong" * 5), timeout=20)
    assert wrong.status_code == 401
    assert requests.get(f"{place.base}/readyz", timeout=20).status_code == 200
    for feed in ("badge.svg", "calendar.ics"):
        assert requests.get(f"{place.base}/{feed}?token=a-feed-token-of-the-tests", timeout=20).status_code == 200
    place.log_in()
    document = place.session.get(f"{place.base}/api/v1/openapi.json", timeout=20).json()
    assert document["servers"] == [{"url": "/awb/api/v1"}]
    entry = place.session.get(f"{place.base}/api", timeout=20).json()
    named = [entry["docs"], entry["openapi"], *(one["href"] for one in entry["operations"])]
    assert all(href.startswith("/awb/api/") for href in named)
    # Without the path, on the machine itself.
    assert requests.get(f"{place.direct}/readyz", timeout=20).status_code == 200
    assert requests.get(f"{place.direct}/", allow_redirects=False, timeout=20).headers["Location"].startswith("/awb/")


@one_proxy
def test_links_in_messages_and_calendar_open(place: Place, connection: "redis.Redis") -> None:
    stored = everything(connection).decode(errors="replace")
    named = set(re.findall(re.escape(place.base.removesuffix("/awb")) + r"[^\s\"\\\]]*", stored))
    calendar = requests.get(f"{place.base}/calendar.ics?token=a-feed-token-of-the-tests", timeout=20).text
    named |= {line.strip().removeprefix("URL:") for line in calendar.splitlines() if line.startswith("URL:")}
    assert f"{place.base}/" in named
    place.log_in()
    for url in named:
        opened = place.session.get(url, timeout=20)
        assert (opened.status_code, opened.url.startswith(place.base)) == (200, True), url


@one_empty
def test_the_doctor_finds_the_receiver_behind_the_path(empty_place: Place, connection: "redis.Redis") -> None:
    found = {one.check: one.message for one in examine(empty_place.config, connection)}
    assert found["receiver.reachable"] == f"{empty_place.base}/v1/webhook answers"


@one_empty
def test_no_header_of_a_client_moves_the_path(empty_place: Place) -> None:
    place = empty_place
    forged = dict.fromkeys(("X-Forwarded-Prefix", "X-Script-Name", "Script-Name", "X-Forwarded-Path"), "/evil")
    page = requests.get(f"{place.base}/login", headers=forged, timeout=20).text
    assert "evil" not in page
    assert 'action="/awb/login"' in page
    led = requests.get(f"{place.base}/", headers=forged, allow_redirects=False, timeout=20)
    assert led.headers["Location"].startswith("/awb/login")


@some_proxies
def test_in_a_browser_login_actions_and_logout_work_and_the_cookie_stays_behind_the_path(
    place: Place, chromium: Browser
) -> None:
    context = chromium.new_context()
    context.set_default_timeout(20_000)
    tab, trouble = context.new_page(), list[str]()
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("response", lambda response: trouble.append(response.url) if response.status >= 400 else None)
    tab.goto(f"{place.base}/alerts")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Coder AWB meter")
    tab.get_by_label("Password").fill(PASSWORDS["admin"])
    tab.get_by_role("button", name="Log in").click()
    tab.wait_for_url(f"{place.base}/alerts")
    assert tab.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") not in ("", "0px")
    tab.get_by_role("button", name=re.compile("Acknowledge")).first.click()
    expect(tab.locator("#done")).to_be_visible()
    assert tab.url.startswith(f"{place.base}/alerts?done=")
    for name in ("Usage", "Records", "Periods", "Queues"):
        tab.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        assert tab.url.startswith(f"{place.base}/")
    cookie = next(one for one in context.cookies() if one["name"] == "awb_session")
    assert cookie["path"] == "/awb"
    assert [one["name"] for one in context.cookies(place.base.removesuffix("/awb") + "/elsewhere")] == []
    tab.get_by_role("button", name=re.compile("Log out")).click()
    tab.wait_for_url(re.compile(re.escape(place.base) + "/login.*"))
    assert trouble == []
    context.close()


def test_the_list_of_the_paths_of_the_service_is_complete(config: Config) -> None:
    app = world.application(config, connect("unix:///nowhere"))
    first = {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()} - {""}
    assert first <= OWN_PATHS
