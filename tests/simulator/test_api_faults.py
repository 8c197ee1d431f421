"""The simulated API fails on demand and by chance, and tells how hard it was pressed."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import requests

from app.simulator.api import ApiFaults
from app.simulator.world import World
from tests.conftest import PATIENCE
from tests.simulator.client import Client, serving


@pytest.fixture
def client() -> Iterator[Client]:
    world = World(1)
    for owner in world.developers:
        world.create_task(owner)
    with serving(world) as serving_client:
        yield serving_client


def outcome(client: Client) -> str:
    try:
        answer = client.call("/workspaces")
        answer.json()
    except requests.exceptions.JSONDecodeError:
        return "broken"
    except requests.RequestException:
        return "no answer"
    return str(answer.status_code)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("refused", "no answer"),
        ("server_error", "500"),
        ("rate_limited", "429"),
        ("broken_json", "broken"),
        ("login_page", "broken"),
        ("drop_connection", "no answer"),
    ],
)
def test_the_next_requests_fail_as_ordered(client: Client, kind: str, expected: str) -> None:
    client.server.fail_next(2, kind)
    assert [outcome(client) for _ in range(3)] == [expected, expected, "200"]
    assert client.server.requests["GET /api/v2/workspaces"] == 3


def test_a_rate_limit_says_when_to_come_back(client: Client) -> None:
    client.server.faults = ApiFaults(retry_after=7)
    client.server.fail_next(1, "rate_limited")
    answer = client.call("/workspaces")
    assert answer.headers["Retry-After"] == "7"
    assert answer.json()["message"]


def test_a_server_error_can_be_that_of_a_proxy(client: Client) -> None:
    client.server.faults = ApiFaults(server_error=1.0, error_status=503)
    assert outcome(client) == "503"


def test_faults_come_by_chance_and_the_seed_decides_which() -> None:
    def drawn() -> list[str]:
        with serving(World(1)) as client:
            client.server.faults = ApiFaults(refused=0.2, server_error=0.2, rate_limited=0.2, broken_json=0.2)
            return [outcome(client) for _ in range(60)]

    first = drawn()
    assert first == drawn()
    assert set(Counter(first)) == {"no answer", "500", "429", "broken", "200"}


def test_an_outage_lasts_until_it_is_over(client: Client) -> None:
    client.server.outage = True
    assert [outcome(client) for _ in range(3)] == ["no answer"] * 3
    client.server.outage = False
    assert outcome(client) == "200"


def test_an_outage_also_ends_connections_that_were_open(client: Client) -> None:
    with requests.Session() as session:
        url = client.server.url + "/api/v2/buildinfo"
        assert session.get(url, timeout=PATIENCE).ok
        client.server.outage = True
        with pytest.raises(requests.ConnectionError):
            session.get(url, timeout=PATIENCE)


def test_the_most_requests_at_once_are_known(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3)
    waits = SimpleNamespace(sleep=lambda _seconds: together.wait(PATIENCE))
    monkeypatch.setattr("app.simulator.api.connection.time", waits)
    client.server.faults = ApiFaults(slow_seconds=0.3)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: outcome(client), range(3))) == ["200"] * 3
    assert client.server.most_at_once == 3
