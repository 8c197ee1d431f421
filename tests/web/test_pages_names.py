"""The pages of users, templates and organizations: complete lists, and one of them with its days and builds."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import redis
from flask.testing import FlaskClient

from app.core.count.meter import AWB
from app.store.count.naming import Naming
from tests.browser import world
from tests.conftest import RedisServer, make_config
from tests.web.test_pages import HOSTILE, page_of, rows_of

NOW = datetime(2026, 5, 13, 10, 0, tzinfo=UTC)


@pytest.fixture
def client(connection: "redis.Redis", redis_server: RedisServer, time_machine: Any) -> FlaskClient:
    time_machine.move_to(NOW, tick=False)
    config = make_config(redis_server.url, limit=1000, period="yearly:01-01")
    return world.application(config, connection).test_client()


@pytest.fixture
def count(connection: "redis.Redis") -> Callable[..., None]:
    def put(owner: str, *ages: float, **fields: Any) -> None:
        """Count a build of this user for each age in days."""
        first = int(connection.incr("tests:number")) * 1000
        records = [
            world.build(first + n, NOW - timedelta(days=age), owner=owner, **fields) for n, age in enumerate(ages)
        ]
        world.put(connection, records)
        world.deliver(connection, records)

    return put


def test_every_user_is_listed_and_exported_however_many_there_are(
    client: FlaskClient, count: Callable[..., None]
) -> None:
    for number in range(25):
        count(f"user-{number:02}", *[1.0] * (number + 1))
    assert "25 with builds in this period" in page_of(client, "/users").text
    for path in ("/users?format=csv", "/?format=csv&table=users"):
        found = {row["name"]: int(row["builds"]) for row in rows_of(client, path)}
        assert found == {f"user-{number:02}": number + 1 for number in range(25)}
    overview = page_of(client, "/")
    assert "+15 others · 120 builds" in overview.text
    assert "/users" in overview.links()
    assert len(client.get("/api/v1/usage").json["by_user"]) == 25


def test_the_list_compares_the_last_two_weeks(client: FlaskClient, count: Callable[..., None]) -> None:
    count("ada", 0.1, 1, 2, 9, 30)
    row = rows_of(client, "/users?format=csv")[0]
    assert (row["name"], row["builds"], row["last_7_days"], row["previous_7_days"]) == ("ada", "5", "2", "1")


def test_a_past_period_is_listed_without_the_weeks_of_today(client: FlaskClient, count: Callable[..., None]) -> None:
    count("ada", 1, 200)
    count("bob", 200)
    found = rows_of(client, "/users?period=2025-06-01&format=csv")
    assert [(row["name"], row["builds"]) for row in found] == [("ada", "1"), ("bob", "1")]
    assert "last_7_days" not in found[0]
    assert "2025" in page_of(client, "/users?name=ada&period=2025-06-01").text


@pytest.mark.parametrize("dimension", ["user", "template", "organization"])
@pytest.mark.parametrize("name", [*HOSTILE, "a" * 200, ".."])
def test_each_has_a_page_with_its_number_its_days_and_its_builds(
    client: FlaskClient, count: Callable[..., None], dimension: str, name: str
) -> None:
    field = {"user": "owner"}.get(dimension, dimension)
    world_fields = {"owner": "grace", field: name}
    count(world_fields.pop("owner"), 1, 2, 40, **world_fields)
    count("somebody", 1, **({"template": "else"} if dimension == "template" else {"organization": "else"}))
    link = f"/{dimension}s?name={quote(name, safe='')}"
    page = page_of(client, link)
    assert page.text.count(name) >= 2
    assert re.search(r"3\s+builds, 75% of all", page.text)
    assert "2none in the week before" in page.text
    assert [row["builds"] for row in rows_of(client, f"{link}&format=csv&table=days")] == ["1", "1", "1"]
    assert len(rows_of(client, f"{link}&format=csv&table=records")) == 3
    listed = page_of(client, f"/{dimension}s").links()
    assert [path for path in listed if path.startswith(f"/{dimension}s?name=")]
    assert page_of(client, next(path for path in listed if "name=" in path))


def test_a_former_name_leads_to_the_same_page(
    client: FlaskClient, count: Callable[..., None], connection: "redis.Redis"
) -> None:
    naming = Naming(connection, world.DEPLOYMENT, AWB)
    naming.keep({("owner", "id-1"): "ada"})
    naming.keep({("owner", "id-1"): "ada.lovelace"})
    count("ada.lovelace", 1)
    page = page_of(client, "/users?name=ada")
    assert re.search(r"1\s+build, 100% of all", page.text)


def test_nobody_of_this_name_is_a_page_that_says_so(client: FlaskClient, count: Callable[..., None]) -> None:
    count("ada", 1)
    assert "No builds in this period" in page_of(client, "/users?name=nobody").text


@pytest.mark.parametrize("path", ["/?days=15", "/?days=x", "/?days=²", "/?by=colour", "/users?name=ada&days=0"])
def test_a_range_or_split_that_is_not_offered_is_not_found(
    client: FlaskClient, count: Callable[..., None], path: str
) -> None:
    count("ada", 1)
    assert page_of(client, path, 404)


@pytest.mark.parametrize("by", ["user", "template", "organization"])
def test_days_can_be_split(client: FlaskClient, count: Callable[..., None], by: str) -> None:
    for number in range(7):
        count(f"u{number}", *[1.0] * (number + 1), template=f"t{number}", organization=f"o{number}")
    page = page_of(client, f"/?by={by}&days=14")
    assert [name for name in (f"{by[0]}{n}" for n in range(7)) if f"{name}: {int(name[1]) + 1}" in page.text] == [
        f"{by[0]}{n}" for n in range(2, 7)
    ]
    assert "Others: 3" in page.text


def test_the_bars_of_one_name_are_not_split_by_the_builds_of_others(
    client: FlaskClient, count: Callable[..., None]
) -> None:
    count("ada", 1)
    count("bob", *[1.0] * 9)
    page = page_of(client, "/users?name=ada&by=user")
    assert "ada: 1" not in page.text
    assert "bob" not in page.text
