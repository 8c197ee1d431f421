"""`awb deployments`: which there are, and removing one with everything that is kept of it."""

import json
from collections.abc import Iterator

import pytest
import redis

from app.store.receive.deployments import Deployments
from app.store.rq import jobqueue, plainjob
from app.store.rq.enqueue import enqueue
from app.web.factory import create_app
from tests.cli.conftest import Awb, rows_of
from tests.conftest import RedisServer, make_config
from tests.pipeline.streams import Delivery, resumes
from tests.web.make import answer, basic, notification
from tests.workers.make import accept, drain, jobs_in
from workers import runtime


def stream(deployment: str, number: int) -> list[Delivery]:
    return [(deployment, *rest) for _, *rest in resumes(number)]  # type: ignore[misc]


def kept(connection: "redis.Redis", deployment: str) -> list[bytes]:
    return sorted(connection.scan_iter(match=f"awb:v1:{deployment}:*"))


@pytest.fixture
def teams(connection: "redis.Redis", redis_server: RedisServer) -> Iterator[None]:
    """Two deployments with counted builds, and one more delivery of each that waits."""
    for name in ("team-a", "team-a-b"):
        accept(connection, stream(name, 3))
    drain(connection, make_config(redis_server.url))
    for name in ("team-a", "team-a-b"):
        accept(connection, stream(name, 4)[3:])
    yield
    runtime.forget()


def test_configured_and_learnt_ones_are_listed(awb: Awb, teams: None) -> None:
    told = json.loads(awb("deployments", "list", "--json", AWB_DEPLOYMENTS="team-c").stdout)
    rows = [(row["name"], row["configured"], row["accepted"]) for row in told["deployments"]]
    assert rows == [("default", True, 0), ("team-c", True, 0), ("team-a", False, 4), ("team-a-b", False, 4)]
    assert rows_of(awb("deployments", "list"))[2].split()[:4] == ["team-a", "its", "deliveries", "4"]


def test_removing_one_deletes_its_keys_and_jobs_and_no_others(awb: Awb, connection: "redis.Redis", teams: None) -> None:
    others = kept(connection, "team-a-b")
    result = awb("deployments", "remove", "team-a", "--yes", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["deleted"]["usage records"] == 3
    assert json.loads(result.stdout)["deleted"]["jobs"] == 1
    assert kept(connection, "team-a") == []
    assert kept(connection, "team-a-b") == others
    queued = jobs_in(connection)["queued"]
    assert len(queued) == 1
    assert queued[0].startswith("delivery-team-a-b-")
    assert Deployments(connection).names() == ["team-a-b"]
    assert connection.exists("awb:v1:default:audit")


def test_waiting_jobs_that_rq_wrote_are_removed_as_well(awb: Awb, connection: "redis.Redis", teams: None) -> None:
    for name in ("team-a", "team-a-b"):
        assert enqueue(connection, plainjob.notification_job(name, "n1"))
        assert enqueue(connection, plainjob.verify_job(name))
    assert Deployments(connection).kinds("team-a")["job"] == 3
    assert awb("deployments", "remove", "team-a", "--yes").exit_code == 0
    assert jobs_in(connection, jobqueue.NOTIFICATIONS)["hashes"] == ["rq:job:notification-team-a-b-n1"]
    assert jobs_in(connection, jobqueue.MAINTENANCE)["queued"] == ["verify-team-a-b"]


def test_it_says_what_it_deletes_and_asks(awb: Awb, connection: "redis.Redis", teams: None) -> None:
    result = awb("deployments", "remove", "team-a", stdin=b"n\n")
    assert result.exit_code == 1
    assert "3 usage records" in result.stderr
    assert "1 jobs" in result.stderr
    assert Deployments(connection).names() == ["team-a", "team-a-b"]
    assert awb("deployments", "remove", "team-a", stdin=b"y\n").exit_code == 0
    assert Deployments(connection).names() == ["team-a-b"]


def test_a_configured_one_and_an_unknown_one_are_not_removed(awb: Awb, teams: None) -> None:
    configured = awb("deployments", "remove", "team-a", "--yes", AWB_DEPLOYMENTS="team-a")
    assert configured.exit_code == 1
    assert "AWB_DEPLOYMENTS" in configured.stderr
    unknown = awb("deployments", "remove", "team-aa", "--yes")
    assert unknown.exit_code == 1
    assert "team-a" in unknown.stderr


def test_a_removal_that_died_on_the_way_is_shown_and_can_be_ended(
    awb: Awb, connection: "redis.Redis", teams: None
) -> None:
    connection.srem("awb:v1:deployments", "team-a")
    connection.sadd("awb:v1:removing", "team-a")
    told = json.loads(awb("deployments", "list", "--json").stdout)["deployments"]
    assert [row["name"] for row in told if row["removal_unfinished"]] == ["team-a"]
    assert awb("deployments", "remove", "team-a", "--yes").exit_code == 0
    assert kept(connection, "team-a") == []
    assert Deployments(connection).unfinished() == []


def test_names_are_learnt_up_to_a_bound_and_configured_ones_always(
    redis_server: RedisServer, connection: "redis.Redis"
) -> None:
    config = make_config(redis_server.url, max_deployments=2, deployments="team-z")
    client = create_app(config, connection).test_client()

    def post(name: str, body: bytes) -> tuple[int, str]:
        return answer(client.post(f"/v1/webhook/{name}", headers=basic(), data=body))

    assert post("team-a", notification("m1")) == (202, "accepted")
    assert post("team-b", b"{") == (202, "quarantined")
    for name, body in (("team-c", notification("m2")), ("team-d", b"{")):
        assert post(name, body) == (404, "error")
        assert kept(connection, name) == []
    assert Deployments(connection).names() == ["team-a", "team-b"]
    for name in ("team-z", "default", "team-a", "team-b"):
        assert post(name, notification("m3")) == (202, "accepted")
    assert jobqueue.queue(jobqueue.DELIVERIES, connection).count == 5
    Deployments(connection).remove("team-a")
    Deployments(connection).remove("team-b")
    connection.srem("awb:v1:deployments", "default")
    assert post("team-c", notification("m2")) == (202, "accepted")
