"""Debian's Chromium with the pages of a filled deployment, served on a loopback port."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from app.store.server.connection import connect
from tests.browser import world
from tests.browser.serving import CHROMIUM, arguments, served
from tests.conftest import RedisServer


# Not for the session: Playwright keeps an event loop in this thread as long as it runs.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("the browser tests need Debian's chromium: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments())
        yield browser
        browser.close()


@dataclass
class Site:
    """Served pages, and a browser tab."""

    base: str
    tab: Page
    connection: "redis.Redis"
    #: What none of our pages may cause: console messages, errors, requests to other hosts.
    trouble: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.tab.goto(self.base + path)
        return self.tab

    def heard(self, message: ConsoleMessage) -> None:
        # A status of 404 is also reported on the console; no other message is expected.
        if "Failed to load resource" not in message.text:
            self.trouble.append(message.text)

    def asked(self, request: Request) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.trouble.append(f"requests {request.url}")


@pytest.fixture
def site(chromium: Browser, connection: "redis.Redis", redis_server: RedisServer) -> Iterator[Site]:
    """Return a deployment of five months, whose usage is past its first threshold."""
    config = world.sample(connection, redis_server.url)
    yield from look(chromium, world.application(config, connect(redis_server.url)), connection)


@pytest.fixture
def empty_site(chromium: Browser, connection: "redis.Redis", redis_server: RedisServer) -> Iterator[Site]:
    config = world.make_config(redis_server.url)
    yield from look(chromium, world.application(config, connect(redis_server.url)), connection)


def look(browser: Browser, app: Flask, connection: "redis.Redis") -> Iterator[Site]:
    with served(app) as base:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(10_000)
        site = Site(base, context.new_page(), connection)
        site.tab.on("console", site.heard)
        site.tab.on("pageerror", lambda error: site.trouble.append(str(error)))
        site.tab.on("request", site.asked)
        yield site
        context.close()
    assert site.trouble == []
