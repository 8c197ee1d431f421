"""Take the pictures of the status page: `python -m tests.pictures.pages`. Needs Debian's chromium."""

import shutil
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from app.store.server.connection import connect
from tests.browser import world
from tests.browser.serving import CHROMIUM, arguments, served
from tests.conftest import RedisServer
from tests.pictures.screenshot import DOCS

_TO = DOCS / "pictures"
#: Name, path, width, height and colour scheme of each picture.
_PICTURES = (
    ("usage-light", "/", 1280, 1060, "light"),
    ("usage-dark", "/", 1280, 1060, "dark"),
    ("usage-phone", "/", 360, 780, "light"),
    ("record-light", "/records", 1280, 700, "light"),
    ("alerts-dark", "/alerts", 1280, 900, "dark"),
)


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="awb-"))
    server = RedisServer(directory)
    server.start()
    try:
        config = world.sample(connect(server.url), server.url)
        app = world.application(config, connect(server.url))
        with served(app) as base, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments())
            for name, path, width, height, scheme in _PICTURES:
                _take(_tab(browser, width, height, scheme), base + path, name)
            browser.close()
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _tab(browser: Browser, width: int, height: int, scheme: str) -> Page:
    colours: Literal["dark", "light"] = "dark" if scheme == "dark" else "light"
    return browser.new_page(viewport={"width": width, "height": height}, color_scheme=colours)


def _take(tab: Page, address: str, name: str) -> None:
    tab.goto(address)
    if name.startswith("record-"):
        tab.get_by_role("rowheader").get_by_role("link").first.click()
    _TO.mkdir(exist_ok=True)
    tab.screenshot(path=_TO / f"{name}.png")


if __name__ == "__main__":
    main()
