"""The page of usage: its number, its words, its tables, and what it does with odd data."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app.config.load import Config
from app.core.count.meter import AWB
from app.pipeline.watch.warn import warn
from app.store.coder.state import CoderState
from app.store.receive.inbox import Inbox
from app.store.store import Store
from tests.browser import world
from tests.browser.markup import Markup, complaints
from tests.conftest import RedisServer, make_config

NOW = datetime(2026, 5, 13, 10, 0, tzinfo=UTC)
HOSTILE = ('<script>alert("1")</script>', 'O\'Brien "quoted"', "\u202eevil\u05d0\u05d1", "=1+1", "a/b c?d#e&f", "ünï")

Client = Callable[..., FlaskClient]


@pytest.fixture
def client(connection: "redis.Redis", redis_server: RedisServer, time_machine: Any) -> Client:
    time_machine.move_to(NOW, tick=False)

    def build(**settings: Any) -> FlaskClient:
        return world.application(make_config(redis_server.url, **settings), connection).test_client()

    return build


@pytest.fixture
def fill(connection: "redis.Redis") -> Callable[..., None]:
    def put(*ages: float, **fields: Any) -> None:
        """Count a build for each age in days."""
        first = int(connection.incr("tests:number")) * 1000
        records = [world.build(first + n, NOW - timedelta(days=age), **fields) for n, age in enumerate(ages)]
        world.put(connection, records)
        world.deliver(connection, records)

    return put


def page_of(client: FlaskClient, path: str, code: int = 200) -> Markup:
    answer = client.get(path)
    assert answer.status_code == code, answer.text
    assert complaints(answer.text) == []
    return Markup(answer.text)


def rows_of(client: FlaskClient, path: str) -> list[dict[str, str]]:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_without_any_delivery_the_page_says_how_to_connect_coder(client: Client) -> None:
    page = page_of(client(public_url="https://awb.example.com", trust_loopback="always"), "/")
    assert "CODER_NOTIFICATIONS_WEBHOOK_ENDPOINT=https://coder:<secret>@awb.example.com/v1/webhook" in page.text
    assert "awb doctor" in page.text
    assert "a-secret-of-the-tests" not in page.text


@pytest.mark.parametrize(
    ("limit", "builds", "words"),
    [
        (10, 1, "Below all thresholds"),
        (10, 8, "Past 75%"),
        (10, 9, "Past 90%"),
        (10, 10, "Limit reached"),
        (10, 12, "Over the limit by 2"),
        (0, 1, "Over the limit: no builds are included"),
        (-1, 3, "Unlimited"),
    ],
)
def test_usage_against_the_limit_is_said_in_words(
    client: Client, fill: Callable[..., None], limit: int, builds: int, words: str
) -> None:
    fill(*[1.0] * builds)
    page = page_of(client(limit=limit), "/")
    assert words in page.text
    assert re.search(rf"\b{builds}\b\s*of\s*{'unlimited' if limit < 0 else limit} used", page.text)


def test_every_threshold_is_named_on_the_bar_and_in_its_description(client: Client, fill: Callable[..., None]) -> None:
    fill(*[1.0] * 85)
    page = page_of(client(limit=100, soft_limit=80, thresholds="75,90,100,+10%,60 builds"), "/")
    label = next(a["aria-label"] for a in page.all("svg") if "Thresholds" in a.get("aria-label", ""))
    assert label.startswith("85 of 100 used. Thresholds: 60 builds reached, 75% reached, soft limit reached,")
    assert label.endswith("90% not reached, limit not reached.")


def test_an_estimate_says_that_it_is_one_and_what_would_make_it_exact(
    client: Client, fill: Callable[..., None]
) -> None:
    fill(1.0)
    page = page_of(client(), "/")
    assert "It is usually too low" in page.text
    assert "AWB_CODER_TOKEN" in page.text


def test_a_verified_number_shows_both_counts_and_why_they_may_differ(
    client: Client, connection: "redis.Redis", redis_server: RedisServer
) -> None:
    config = world.sample(connection, redis_server.url)
    page = page_of(world.application(config, connection).test_client(), "/")
    assert "Verified" in page.text
    assert "-2: fewer here than in Coder" in page.text
    assert "Known causes:" in page.text
    assert "AI Governance seats" in page.text
    assert "31 of 50, 62%" in page.text


def test_totals_of_the_days_end_at_coders_number_where_that_is_shown(
    connection: "redis.Redis", redis_server: RedisServer
) -> None:
    config = world.sample(connection, redis_server.url)
    asked = world.application(config, connection).test_client()
    page, rows = page_of(asked, "/"), rows_of(asked, "/?format=csv&table=days")
    assert f"{int(rows[0]['total']):,} of 1,500 used" in " ".join(page.text.split())
    assert sum(int(row["builds"]) for row in rows) == int(rows[0]["total"]) - 2


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_stay_text_everywhere(client: Client, fill: Callable[..., None], name: str) -> None:
    fill(1.0, 2.0, owner=name, template=name, organization=name, workspace=name, reason=name, rule=name)
    asked = client()
    record = next(link for link in page_of(asked, "/records").links() if link.startswith("/records/"))
    delivery = next(link for link in page_of(asked, record).links() if link.startswith("/deliveries/"))
    paths = ["/", "/records", "/days/2026-05-12", record, delivery, "/deliveries", f"/records?what={name[:9]}"]
    for path in paths:
        page = page_of(asked, path)
        assert "<script" not in page.text or name.startswith("<script")
    for top in [link for link in page_of(asked, "/").links() if "user=" in link]:
        assert len(rows_of(asked, f"{top}&format=csv")) == 2


def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(client: Client, fill: Callable[..., None]) -> None:
    for name in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "safe"):
        fill(1.0, owner=name)
    rows = rows_of(client(), "/records?format=csv")
    assert {row["user"] for row in rows} == {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "safe"}


@pytest.mark.parametrize("table", ["days", "users", "templates", "organizations", "drift", "messages", "silences"])
def test_every_table_of_the_page_is_a_file_too(client: Client, fill: Callable[..., None], table: str) -> None:
    fill(0.5, 1.0, 2.0)
    asked = client()
    as_csv = rows_of(asked, f"/?format=csv&table={table}")
    as_json = asked.get(f"/?format=json&table={table}")
    assert as_json.mimetype == "application/json"
    assert len(json.loads(as_json.data)) == len(as_csv)
    assert f"awb-{table}.json" in as_json.headers["Content-Disposition"]


def test_totals_of_the_days_end_at_the_number_of_the_page(client: Client, fill: Callable[..., None]) -> None:
    fill(0.2, 1.0, 1.0, 2.0)
    rows = rows_of(client(), "/?format=csv&table=days")
    assert [(row["day"], row["builds"], row["total"]) for row in rows] == [
        ("2026-05-13", "1", "4"),
        ("2026-05-12", "2", "3"),
        ("2026-05-11", "1", "1"),
    ]


def test_each_bar_and_each_row_of_the_days_leads_to_its_day(client: Client, fill: Callable[..., None]) -> None:
    fill(1.0)
    assert page_of(client(), "/").links().count("/days/2026-05-12") == 2


def test_earlier_days_are_one_link_away(client: Client, fill: Callable[..., None]) -> None:
    fill(*range(1, 100))
    asked = client()
    earlier = next(link for link in page_of(asked, "/").links() if "until=" in link)
    assert earlier == "/?until=2026-04-01#bars"
    page = page_of(asked, earlier)
    assert "/days/2026-04-01" in page.links()
    assert "/?until=2026-05-13#bars" in page.links()
    assert "/days/2026-05-12" not in page.links()
    assert re.search(r"2026-04-01\s+1\s*58\b", page.text)


@pytest.mark.parametrize(("tops", "builds"), [("period", 3), ("month", 2), ("week", 1), ("nonsense", 3)])
def test_tops_are_of_the_period_the_month_or_the_week(
    client: Client, fill: Callable[..., None], tops: str, builds: int
) -> None:
    fill(1.0, 11.0, 30.0)
    rows = rows_of(client(), f"/?tops={tops}&format=csv&table=users")
    assert rows == [{"name": "ada", "builds": str(builds), "percent": "100.0"}]


def test_a_period_that_is_over_is_shown_by_its_first_day(client: Client, fill: Callable[..., None]) -> None:
    fill(1.0, 20.0, 20.0, 50.0)
    asked = client(period="monthly", limit=2)
    assert [row["start"] for row in rows_of(asked, "/periods?format=csv")] == ["2026-05-01", "2026-04-01", "2026-03-01"]
    links = page_of(asked, "/periods").links()
    assert "/?period=2026-04-01" in links
    page = page_of(asked, "/?period=2026-04-01")
    assert "This usage period has ended" in page.text
    assert "Limit reached" in page.text
    assert "Forecast" not in page.text
    assert "No active alerts" not in page.text
    assert "1 April 2026 to 30 April 2026" in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/?period=1999-01-01",
        "/?period=tomorrow",
        "/?deployment=unknown",
        "/?deployment=../../etc",
        "/?format=xml",
        "/?format=csv&table=nothing",
        "/days/2026-02-30",
        "/days/99999999",
        "/records?from=yesterday",
        "/records?state=sold",
        "/records?cursor=nonsense",
        "/records/build:none",
        "/deliveries/none",
        "/deliveries?cursor=nonsense",
        "/alerts?events=nonsense",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(client: Client, fill: Callable[..., None], path: str) -> None:
    fill(1.0)
    page = page_of(client(), path, 404)
    assert "Not Found" in page.text


def test_the_deployment_is_chosen_once_and_kept_by_links(
    client: Client, connection: "redis.Redis", fill: Callable[..., None]
) -> None:
    fill(1.0)
    record = world.build(1, NOW, owner="grace")
    world.put(connection, [record], "staging")
    world.deliver(connection, [record], "staging")
    asked = client()
    assert [a for a in page_of(asked, "/").all("select") if a["name"] == "deployment"]
    page = page_of(asked, "/?deployment=staging")
    # The API's page and the documentation are about all deployments.
    inside = [link for link in page.links() if link.startswith("/") and not link.startswith(("/api/docs", "/docs"))]
    assert all("deployment=staging" in link for link in inside)
    assert [row["name"] for row in rows_of(asked, "/?deployment=staging&format=csv&table=users")] == ["grace"]


def test_when_redis_is_away_the_page_says_so_and_asks_to_come_back(config: Config, short_dir: Any) -> None:
    from app.store.server.connection import connect  # noqa: PLC0415 - as in conftest

    away = connect(f"unix://{short_dir}/nothing.sock")
    answer = world.application(config, away).test_client().get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert complaints(answer.text) == []
    assert "Redis is unreachable" in answer.text


def test_health_names_what_is_wrong(client: Client, fill: Callable[..., None], connection: "redis.Redis") -> None:
    fill(1.5)
    CoderState(connection, world.DEPLOYMENT).failed("401 Unauthorized", NOW - timedelta(hours=2))
    page = page_of(client(**world.CODER), "/")
    assert "No worker is running" in page.text
    assert "401 Unauthorized" in page.text
    assert "None configured: nobody is warned" in page.text
    assert re.search(r"Deliveries\s.*?Last one 36 h ago", page.text, re.DOTALL)


def test_a_channel_that_failed_last_is_marked(connection: "redis.Redis", redis_server: RedisServer) -> None:
    config = world.sample(connection, redis_server.url, verified=False, healthy=False)
    page = page_of(world.application(config, connection).test_client(), "/")
    banner = " ".join(page.text.partition("Not working")[2].partition("Agent Workspace Builds")[0].split())
    assert "awb-deliveries: no worker is running" in banner
    assert "email:ops@example.com: the newest message failed: recipientRefused: 550 no such mailbox" in banner
    assert "550 no such mailbox" in page.text
    assert "Last message accepted" in page.text


def test_where_all_is_well_nothing_is_out_of_order(connection: "redis.Redis", redis_server: RedisServer) -> None:
    config = world.sample(connection, redis_server.url)
    assert "Not working" not in page_of(world.application(config, connection).test_client(), "/").text


def test_records_that_were_imported_are_shown_though_nothing_was_ever_delivered(
    client: Client, connection: "redis.Redis"
) -> None:
    world.put(connection, [world.build(1, NOW)])
    assert "Below all thresholds" in page_of(client(), "/").text


def test_unlimited_and_nothing_counted_yet_need_no_chart_of_what_is_not_there(
    client: Client, connection: "redis.Redis"
) -> None:
    connection.hset(f"awb:v1:{world.DEPLOYMENT}:stats", mapping={"accepted": 1, "last_delivery_at": NOW.timestamp()})
    page = page_of(client(limit=-1, period="monthly"), "/")
    assert "No builds in this time range" in page.text
    assert "No builds on these days" in page.text


def test_a_viewer_from_elsewhere_sees_no_buttons(
    connection: "redis.Redis", redis_server: RedisServer, client: Client, fill: Callable[..., None]
) -> None:
    fill(*[1.0] * 8)
    proxy = {"proxy_addresses": "10.0.0.5", "proxy_user_header": "X-Forwarded-User", "trust_loopback": "always"}
    config = make_config(redis_server.url, limit=10, **proxy)
    warn(Store(connection, world.DEPLOYMENT), config, AWB)
    app = world.application(config, connection)
    answer = app.test_client().get("/", headers={"X-Forwarded-User": "viv"}, environ_base={"REMOTE_ADDR": "10.0.0.5"})
    assert answer.status_code == 200
    assert "AWB 80%" in answer.text
    assert "Acknowledge" not in answer.text
    assert "Acknowledge" in app.test_client().get("/").text


def test_the_counters_of_deliveries_are_shown(client: Client, fill: Callable[..., None], connection: Any) -> None:
    fill(1.0)
    Inbox(connection, world.DEPLOYMENT).quarantine("q1", NOW.timestamp(), "not valid JSON", b"{", keep=True)
    assert "1 accepted, 3 duplicate, 1 quarantined" in page_of(client(), "/").text
