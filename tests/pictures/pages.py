"""Take the pictures of the pages: `python -m tests.pictures.pages`. Needs Debian's chromium."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from app.config.load import Config
from app.store.server.connection import connect
from tests.browser import world
from tests.browser.serving import CHROMIUM, arguments, served
from tests.conftest import RedisServer, make_config
from tests.pictures.screenshot import DOCS

_TO: Final = DOCS / "pictures"
#: Pages as after the setup, accessible on this machine without a login.
_SET_UP: Final[dict[str, Any]] = {
    "public_url": "https://awb.example.com",
    "trust_loopback": "always",
}


class Picture(NamedTuple):
    """A picture: its file, the page, and the size and colour scheme of the screen."""

    name: str
    path: str
    width: int
    height: int
    scheme: str = "light"


def _as_usual(server: RedisServer) -> Config:
    return world.sample(connect(server.url), server.url, relayed=False, **_SET_UP)


def _over_the_limit(server: RedisServer) -> Config:
    return world.sample(connect(server.url), server.url, verified=False, relayed=False, limit=1000, **_SET_UP)


def _broken(server: RedisServer) -> Config:
    return world.sample(connect(server.url), server.url, verified=False, healthy=False)


def _empty(server: RedisServer) -> Config:
    return make_config(server.url)


#: The pictures of each deployment.
_SETS: Final[tuple[tuple[Callable[[RedisServer], Config], tuple[Picture, ...]], ...]] = (
    (
        _as_usual,
        (
            Picture("usage-light", "/?by=user", 1280, 1060),
            Picture("usage-dark", "/?by=user", 1280, 1060, "dark"),
            Picture("usage-phone", "/", 390, 844),
            Picture("usage-wide", "/?by=template", 2560, 1440, "dark"),
            Picture("user-light", "/users?name=ada&days=366", 1280, 900),
            Picture("wall-dark", "/wall", 1440, 900, "dark"),
            Picture("record-light", "/records", 1280, 700),
            Picture("alerts-dark", "/alerts", 1280, 900, "dark"),
            Picture("queues-light", "/queues", 1280, 800),
        ),
    ),
    (_over_the_limit, (Picture("over-light", "/", 1280, 900), Picture("over-phone", "/", 390, 844, "dark"))),
    (_broken, (Picture("broken-light", "/", 1280, 900), Picture("broken-phone", "/", 390, 844, "dark"))),
    (_empty, (Picture("empty-light", "/", 1280, 1000), Picture("empty-phone", "/", 390, 844, "dark"))),
)


def main() -> None:
    _TO.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments())
        for build, pictures in _SETS:
            with _fresh_redis() as server:
                config = build(server)
                with served(world.application(config, connect(server.url))) as base:
                    for picture in pictures:
                        _take(browser, base, picture)
        browser.close()


@contextmanager
def _fresh_redis() -> Iterator[RedisServer]:
    directory = Path(tempfile.mkdtemp(prefix="awb-"))
    server = RedisServer(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _take(browser: Browser, base: str, picture: Picture) -> None:
    tab = _tab(browser, picture)
    tab.goto(base + picture.path)
    if picture.name.startswith("record-"):
        tab.get_by_role("rowheader").get_by_role("link").first.click()
    tab.screenshot(path=_TO / f"{picture.name}.png")
    tab.close()


def _tab(browser: Browser, picture: Picture) -> Page:
    scheme: Literal["dark", "light"] = "dark" if picture.scheme == "dark" else "light"
    return browser.new_page(viewport={"width": picture.width, "height": picture.height}, color_scheme=scheme)


if __name__ == "__main__":
    main()
