"""The pages in a real Chromium: reading, drilling down, acting, and everybody being able to."""

from typing import Any, Final

import pytest
import redis
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from app.core.count.meter import AWB
from app.store.alert.silences import Silences
from app.store.count.records import Records
from app.store.rq import jobqueue
from app.store.server.connection import connect
from tests.browser import world
from tests.browser.conftest import Site, look
from tests.conftest import RedisServer
from tests.pipeline.deadletter import write_failed

PHONE, DESK, WALL = ({"width": width, "height": 900} for width in (360, 1280, 1920))
#: The loudest severities of axe-core.
GRAVE = ("serious", "critical")


def paths(site: Site) -> list[str]:
    record = Records(site.connection, world.DEPLOYMENT, AWB).page(None, 1)[0][0]
    return [
        "/",
        "/?period=1999-01-01",
        "/records?user=ada",
        "/records?user=nobody",
        f"/records/{record.key}",
        f"/deliveries/{record.deliveries[0]}",
        "/deliveries",
        "/relays",
        "/relays?target=forward:teams&state=failed",
        f"/days/{world.clock.at(record.at).date()}",
        "/periods",
        "/deployments",
        "/alerts?done=silenced",
        "/?by=user&days=14",
        "/wall",
        "/users",
        "/templates?name=aider&days=366",
        "/queues",
        "/api/docs",
        f"/queues/{jobqueue.DELIVERIES}",
    ]


def overflow(tab: Page) -> int:
    return int(tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_the_number_is_read_at_a_glance(site: Site) -> None:
    tab = site.go("/")
    used = tab.locator("#used")
    assert int(used.inner_text().replace(",", "")) > 1000
    assert used.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") > 40
    expect(tab.get_by_text("Past 75%")).to_be_visible()
    expect(tab.get_by_role("img", name="Thresholds: 75% reached, 90% not reached")).to_be_visible()


def test_who_used_most_this_month_and_why_one_counted_takes_three_clicks(site: Site) -> None:
    tab = site.go("/")
    tab.get_by_role("link", name="This month").click()
    users = tab.get_by_role("table", name="Users with the most builds")
    most = users.get_by_role("link").first
    name = most.inner_text()
    most.click()
    expect(tab.get_by_role("heading", level=1)).to_have_text(name)
    row = tab.get_by_role("region", name="Latest builds").get_by_role("row").nth(1)
    assert row.get_by_role("cell").nth(1).inner_text() == name
    row.get_by_role("rowheader").get_by_role("link").click()
    assert tab.get_by_role("heading", level=1).inner_text().startswith(f"Why {name}/")
    expect(tab.locator("#reason")).to_contain_text("task")


def test_a_bar_leads_to_its_day_its_builds_and_their_deliveries(site: Site) -> None:
    tab = site.go("/")
    bar = tab.locator(".chart a").nth(-4)
    said = bar.get_attribute("aria-label") or ""
    bar.locator(".hit").click()
    day, _, builds = said.partition(": ")
    expect(tab.get_by_role("heading", level=1)).to_have_text(day)
    expect(tab.locator(".number strong")).to_have_text(builds)
    tab.get_by_role("rowheader").get_by_role("link").first.click()
    tab.get_by_role("rowheader").get_by_role("link").first.click()
    expect(tab.get_by_role("heading", name="Verdict")).to_be_visible()


def test_an_admin_acknowledges_an_alert_and_makes_and_ends_a_silence(site: Site) -> None:
    tab = site.go("/")
    tab.get_by_role("button", name="Acknowledge").click()
    expect(tab.get_by_role("status")).to_contain_text("Acknowledged.")
    tab.get_by_role("link", name="Usage").first.click()
    expect(tab.get_by_text("Acknowledged by loopback")).to_be_visible()
    tab.get_by_role("link", name="Silence…").click()
    expect(tab.get_by_label("Matchers")).to_have_value("alert=awb")
    tab.get_by_label("Comment").fill("we are talking to our account team")
    tab.get_by_role("button", name="Silence", exact=True).click()
    expect(tab.get_by_role("status")).to_contain_text("Silenced.")
    silences = Silences(site.connection, world.DEPLOYMENT)
    assert {"alert": "awb"} in [silence.matchers for silence in silences.active(world.clock.now())]
    tab.get_by_role("button", name="End now (we are talking to our account team)").click()
    expect(tab.get_by_role("status")).to_contain_text("has ended")
    assert {"alert": "awb"} not in [silence.matchers for silence in silences.active(world.clock.now())]


@pytest.mark.parametrize("act", ["acknowledge", "snooze", "silence", "end", "pause", "resume", "requeue"])
def test_a_confirmation_is_in_view_on_a_phone_beside_what_was_acted_on(site: Site, act: str) -> None:
    site.tab.set_viewport_size({"width": 390, "height": 700})
    tab = site.go("/alerts?alert=awb" if act in ("acknowledge", "snooze", "silence", "end") else "/queues")
    buttons = {"acknowledge": "Acknowledge", "snooze": "Snooze for a day", "silence": "Silence", "end": "End now"}
    if act in ("silence", "end"):
        tab.get_by_label("Comment").fill("the new licence comes")
        tab.get_by_role("button", name="Silence", exact=True).click()
        expect(tab.get_by_role("status")).to_be_in_viewport(ratio=1)
    if act in ("acknowledge", "snooze", "end"):
        tab.get_by_role("button", name=buttons[act]).first.click()
    if act in ("pause", "resume"):
        tab.get_by_role("button", name=f"Pause {jobqueue.QUEUES[-1]}").click()
    if act == "resume":
        tab.get_by_role("button", name=f"Resume {jobqueue.QUEUES[-1]}").click()
    if act == "requeue":
        write_failed(site.connection, 30)
        site.go(f"/queues/{jobqueue.DELIVERIES}")
        tab.get_by_role("button", name="Requeue").last.click()
    status = tab.get_by_role("status")
    expect(status).to_have_count(1)
    expect(status).to_be_in_viewport(ratio=1)
    if act == "acknowledge":
        expect(status).to_have_text("Acknowledged. No more reminders at 75%; you will still be warned at 90%.")
        expect(tab.get_by_role("listitem").filter(has=status)).to_contain_text("Acknowledged by loopback")
    if act in ("pause", "resume"):
        expect(tab.get_by_role("row").filter(has=status)).to_contain_text(jobqueue.QUEUES[-1])


def test_an_operator_requeues_a_failed_job(site: Site) -> None:
    write_failed(site.connection, 1)
    tab = site.go("/")
    tab.get_by_role("link", name="Deliveries worker").click()
    tab.get_by_role("link", name=jobqueue.DELIVERIES).click()
    expect(tab.get_by_role("heading", name="Failed jobs: 1")).to_be_visible()
    tab.get_by_role("row").nth(1).get_by_role("button", name="Requeue").click()
    expect(tab.get_by_text("Queued again.")).to_be_visible()
    expect(tab.get_by_role("heading", name="Failed jobs: 0")).to_be_visible()
    assert site.connection.llen(jobqueue.queue_key(jobqueue.DELIVERIES)) == 1


def test_pages_work_without_javascript(site: Site, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(site.base + "/")
    expect(tab.locator("#used")).to_be_visible()
    tab.get_by_role("link", name="Records").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Records")
    context.close()


@pytest.mark.parametrize("size", [PHONE, DESK, WALL], ids=["phone", "desk", "wall"])
def test_nothing_is_wider_than_the_screen(site: Site, size: Any) -> None:
    long = "a-very-long-name-" * 12
    world.put(site.connection, [world.build(900_001, world.clock.now(), owner=long, workspace=long, template=long)])
    site.tab.set_viewport_size(size)
    assert {path: overflow(site.go(path)) for path in paths(site)} == dict.fromkeys(paths(site), 0)


#: Pairs of texts of one chart that overlap, and texts that reach beyond the screen.
_CLASHES = """() => {
  const found = [], wide = document.documentElement.clientWidth;
  for (const chart of document.querySelectorAll('svg.chart')) {
    const texts = [...chart.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]);
    texts.forEach(([text, box], i) => {
      if (box.left < -0.5 || box.right > wide + 0.5) found.push(`${text} is cut`);
      texts.slice(i + 1).forEach(([other, its]) => {
        const across = Math.min(box.right, its.right) - Math.max(box.left, its.left);
        const down = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
        if (across > 1 && down > 3) found.push(`${text} and ${other} overlap`);
      });
    });
  }
  return found;
}"""


@pytest.mark.parametrize("limit", [200, 1200, 1500, 3000, 100_000, 1, -1])
def test_no_label_of_a_chart_is_cut_or_covers_another(
    chromium: Browser, connection: "redis.Redis", redis_server: RedisServer, limit: int
) -> None:
    levels = "40%,42%,44%,600 builds,601 builds,97%,99%,100%,+5%"
    config = world.sample(connection, redis_server.url, verified=False, limit=limit, thresholds=levels)
    found = {}
    for site in look(chromium, world.application(config, connect(redis_server.url)), connection):
        for width in (390, 1440, 2560):
            site.tab.set_viewport_size({"width": width, "height": 900})
            for path in ("/", "/?days=91&by=user", "/users?name=ada&days=366"):
                found[width, path] = site.go(path).evaluate(_CLASHES)
    assert {key: said for key, said in found.items() if said} == {}


#: Words in cells of tables that stand on more than one line.
_BROKEN_WORDS = """() => {
  const found = [], range = document.createRange();
  for (const cell of document.querySelectorAll('table :is(th, td)')) {
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
      for (const word of node.textContent.matchAll(/[^\\s/-]{2,24}/g)) {
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
        if (lines.size > 1) found.push(word[0]);
      }
    }
  }
  return found;
}"""


@pytest.mark.parametrize("width", [390, 800, 1440])
def test_no_word_in_a_table_is_broken(site: Site, width: int) -> None:
    site.tab.set_viewport_size({"width": width, "height": 900})
    assert {path: site.go(path).evaluate(_BROKEN_WORDS) for path in paths(site)} == {path: [] for path in paths(site)}


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(site: Site) -> None:
    tab = site.go("/")
    tab.keyboard.press("Tab")
    skip = tab.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    tab.keyboard.press("Enter")
    expect(tab.locator("#content")).to_be_focused()
    tab.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    wanted = "a[href]:not([tabindex='-1']), button, input:not([type=hidden]), select, textarea, summary"
    after = tab.evaluate(f"document.querySelectorAll(`main :is({wanted})`).length")
    seen = []
    for _ in range(after):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate(_FOCUSED))
    assert len({place for place, _ in seen}) == after
    assert [place for place, _ in seen] == sorted(place for place, _ in seen)
    assert {outline for _, outline in seen} == {"solid"}


#: The place of the focused element among all, and the style of its outline.
_FOCUSED = """() => {
  const element = document.activeElement;
  return [[...document.querySelectorAll('*')].indexOf(element), getComputedStyle(element).outlineStyle];
}"""


#: Colours are the only thing that a dark scheme changes; on a phone they are those of the desk.
_CONTRAST: Final = "color-contrast"
_LOOKS: Final[tuple[tuple[Any, Any, dict[str, Any]], ...]] = (
    ("light", DESK, {}),
    ("dark", DESK, {"runOnly": {"type": "rule", "values": [_CONTRAST]}}),
    ("light", PHONE, {"rules": {_CONTRAST: {"enabled": False}}}),
)


def violations(tab: Page, **options: Any) -> list[str]:
    found = Axe().run(tab, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def test_axe_finds_nothing_grave_on_any_page_light_dark_and_on_a_phone(site: Site) -> None:
    found = {}
    for path in paths(site):
        tab = site.go(path)
        tab.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        for scheme, size, options in _LOOKS:
            tab.emulate_media(color_scheme=scheme)
            tab.set_viewport_size(size)
            found[path, scheme, size["width"]] = violations(tab, **options)
    assert {key: said for key, said in found.items() if said} == {}


def test_axe_finds_nothing_grave_before_the_first_delivery(empty_site: Site) -> None:
    tab = empty_site.go("/")
    expect(tab.get_by_text("No deliveries yet")).to_be_visible()
    assert violations(tab) == []
