"""The badge and the calendar, and who may have them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import redis
from flask.testing import FlaskClient
from icalendar import Calendar

from tests.browser import world
from tests.conftest import RedisServer, make_config

NOW = datetime(2026, 5, 13, 10, 0, tzinfo=UTC)
TOKEN = "feed-token-of-the-tests-0123456789"
Client = Callable[..., FlaskClient]


@pytest.fixture
def client(connection: "redis.Redis", redis_server: RedisServer, time_machine: Any) -> Client:
    time_machine.move_to(NOW, tick=False)

    def build(**settings: Any) -> FlaskClient:
        return world.application(make_config(redis_server.url, **settings), connection).test_client()

    return build


@pytest.fixture
def used(connection: "redis.Redis") -> None:
    records = [world.build(n, NOW - timedelta(days=1 + n % 60)) for n in range(600)]
    world.put(connection, records)
    world.deliver(connection, records)


def badge(client: FlaskClient, query: str = "") -> tuple[str, str]:
    answer = client.get(f"/badge.svg{query}")
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    root = ET.fromstring(answer.data)  # noqa: S314 - our own answer
    space = {"s": "http://www.w3.org/2000/svg"}
    texts = [node.text for node in root.findall(".//s:text", space)]
    return " ".join(text or "" for text in texts), root.findall(".//s:rect", space)[-1].get("fill") or ""


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize(
    ("limit", "words", "colour"),
    [
        (1000, "AWB 600 / 1,000 · 60%", "#2c6a3f"),
        (700, "AWB 600 / 700 · 85.7%", "#8a5200"),
        (599, "AWB 600 / 599 · 100.1%", "#a6231c"),
        (-1, "AWB 600 used", "#2c6a3f"),
    ],
)
def test_the_badge_shows_usage_coloured_by_level(client: Client, limit: int, words: str, colour: str) -> None:
    assert badge(client(limit=limit, period="yearly:01-01")) == (words, colour)


def events(client: FlaskClient, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/calendar.ics{query}")
    assert (answer.status_code, answer.mimetype) == (200, "text/calendar")
    return {str(event["uid"]).partition("-default")[0]: event for event in Calendar.from_ical(answer.data).events}


@pytest.mark.usefixtures("used")
def test_the_calendar_has_the_breach_and_the_end_of_the_period(client: Client) -> None:
    asked = client(limit=700, period="yearly:01-01", public_url="https://awb.example.com", trust_loopback="always")
    found = events(asked)
    assert set(found) == {"period-end", "limit-reached"}
    assert found["period-end"].start == date(2026, 12, 31)
    expected = asked.get("/api/v1/forecast").json["breach"]
    assert found["limit-reached"].start.isoformat() == expected
    assert "600 of 700 used so far" in found["limit-reached"]["description"]
    assert found["limit-reached"]["url"] == "https://awb.example.com"
    assert found["limit-reached"]["transp"] == "TRANSPARENT"


@pytest.mark.usefixtures("used")
def test_without_an_end_or_an_expected_breach_the_calendar_is_empty_and_valid(client: Client) -> None:
    assert events(client(limit=-1, period="lifetime")) == {}


@pytest.mark.usefixtures("used")
def test_the_feed_token_opens_the_feeds_and_nothing_else(client: Client) -> None:
    asked = client(feed_token=TOKEN, trust_loopback="never")
    for path in ("/badge.svg", "/calendar.ics"):
        assert asked.get(f"{path}?token={TOKEN}").status_code == 200
        for query in ("", "?token=", "?token=wrong", f"?token={TOKEN}x", f"?token=%FF{TOKEN}"):
            assert asked.get(path + query).status_code == 403
        assert asked.post(f"{path}?token={TOKEN}").status_code in (403, 405)
    for path in ("/", "/records", "/wall", "/api/v1/usage", "/metrics"):
        assert asked.get(f"{path}?token={TOKEN}").status_code == 403
        assert asked.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 403


@pytest.mark.usefixtures("used")
def test_without_a_configured_feed_token_none_opens_the_feeds(client: Client) -> None:
    assert client(trust_loopback="never").get("/badge.svg?token=").status_code == 403
    assert client(trust_loopback="never").get("/badge.svg?token=None").status_code == 403


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize(
    ("query", "content"),
    [("refresh=60", "60"), ("refresh=9", None), ("refresh=x", None), ("refresh=99999", None), ("refresh=²0", None)],
)
def test_a_page_loads_itself_again_only_as_often_as_is_reasonable(
    client: Client, query: str, content: str | None
) -> None:
    for path in ("/", "/wall", "/queues"):
        text = client().get(f"{path}?{query}").text
        assert ('http-equiv="refresh"' in text) is (content is not None)
        if content:
            assert f'<meta http-equiv="refresh" content="{content}">' in text


@pytest.mark.usefixtures("used")
def test_the_wall_display_shows_the_number_and_what_is_broken(client: Client) -> None:
    text = client(limit=700, period="yearly:01-01").get("/wall").text
    assert ">600</strong>" in text
    assert "Past 75" in text
    assert "awb-deliveries: no worker is running" in text
