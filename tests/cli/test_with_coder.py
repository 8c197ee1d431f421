"""Commands of a deployment whose API is configured, against a simulated Coder."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
import redis

from app.core.count.era import NO_LONGER_COUNTED
from app.pipeline.operate.subscribe import NEEDED
from app.simulator.api import ApiFaults
from app.simulator.api.server import ApiServer
from app.simulator.licence import AgentHours, Licence
from app.simulator.world import World
from app.store.coder.state import CoderState
from app.store.store import Store
from tests.cli.conftest import Awb, rows_of
from tests.cli.make import DEPLOYMENT
from tests.exact.play import truth


@pytest.fixture
def coder() -> Iterator[dict[str, str]]:
    world = World(3)
    for user in world.users:
        world.preferences[user.id].update(dict.fromkeys(NEEDED, True))
    with ApiServer(world) as server:
        yield {"AWB_CODER_URL": server.url, "AWB_CODER_TOKEN": server.token}


def test_status_says_that_the_number_is_proved_and_how_far_it_is_from_coders(awb: Awb, coder: dict[str, str]) -> None:
    assert awb("reconcile", **coder).exit_code == 0
    shown = [" ".join(line.split()) for line in rows_of(awb("status", **coder))]
    assert "mode verified: every build is proved with Coder's API" in shown
    assert [line for line in shown if line.startswith("Coder v")] != []
    told = json.loads(awb("status", "--json", **coder).stdout)
    assert (told["mode"], told["coder"]["configured"]) == ("verified", True)
    drift = [line for line in shown if line.startswith("drift ")]
    assert len(drift) == (told["drift"] is not None)


def test_status_says_since_when_the_api_fails(awb: Awb, coder: dict[str, str], connection: "redis.Redis") -> None:
    CoderState(connection, DEPLOYMENT).failed("Coder answered 502 [bold]", datetime(2026, 5, 4, 9, 30, tzinfo=UTC))
    shown = awb("status", AWB_TIME_ZONE="Asia/Kolkata", **coder).stdout
    assert "Coder's API fails since 4 May" in shown
    assert "15:00: Coder answered 502 [bold]" in shown
    assert "(not asked yet)" in shown


def test_a_server_that_answers_some_calls_with_an_error_changes_nothing(awb: Awb) -> None:
    world = World(3)
    for number in range(60):
        world.create_task(world.developers[number % len(world.developers)])
    # Two in a hundred, as a loaded deployment does; the seed is one that meets both kinds.
    with ApiServer(world, seed=11) as server:
        server.faults = ApiFaults(server_error=0.01, rate_limited=0.01, retry_after=0)
        done = awb("reconcile", "--json", AWB_CODER_URL=server.url, AWB_CODER_TOKEN=server.token)
        asked = server.requests["GET /api/v2/workspaces/{id}/builds"]
    assert (done.exit_code, json.loads(done.stdout)["verified"], json.loads(done.stdout)["left"]) == (0, 60, 0)
    assert asked > 60


def test_reconcile_finishes_the_others_where_one_workspace_keeps_failing(awb: Awb) -> None:
    world = World(3)
    broken = world.create_task(world.developers[0])
    for _ in range(8):
        world.create_task(world.developers[1])

    class Server(ApiServer):
        def answer(self, method: str, target: str, token: str, body: bytes) -> tuple[HTTPStatus, Any]:
            if broken.id in target:
                return HTTPStatus.BAD_REQUEST, {"message": "Broken."}
            return super().answer(method, target, token, body)

    with Server(world) as server:
        coder = {"AWB_CODER_URL": server.url, "AWB_CODER_TOKEN": server.token}
        done = awb("reconcile", **coder)
    assert done.exit_code == 75
    assert "8 verified" in done.stdout
    assert "1 workspace is not verified" in done.stdout


def test_subscribing_shows_the_plan_and_carries_it_out_with_yes(awb: Awb, coder: dict[str, str]) -> None:
    plan = awb("coder", "subscribe", "--json", **coder)
    would = json.loads(plan.stdout)
    assert plan.exit_code == 1
    assert would["enable"]
    assert would["changed"] is False
    assert "Nothing changed yet" in awb("coder", "subscribe", **coder).stdout
    done = awb("coder", "subscribe", "--yes", "--json", **coder)
    assert (done.exit_code, json.loads(done.stdout)) == (0, {**would, "changed": True})
    again = awb("coder", "subscribe", **coder)
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (
        0,
        "Nothing to change: everything that this token's user can receive is on.",
    )


def test_status_of_a_coder_without_tasks_shows_the_successors_and_no_limit_of_builds(awb: Awb) -> None:
    world = World(3)
    world.licence, world.agent_hours = Licence(limit=0), AgentHours(100, 80, 120, 91 * 3_600_000)
    world.create_task(world.developers[0])
    world.upgrade((2, 37, 0))
    world.pass_time(10)
    with ApiServer(world) as server:
        coder = {"AWB_CODER_URL": server.url, "AWB_CODER_TOKEN": server.token}
        assert awb("reconcile", **coder).exit_code == 0
        shown = " ".join(awb("status", **coder).stdout.split())
        told = json.loads(awb("status", "--json", **coder).stdout)
    assert NO_LONGER_COUNTED in shown
    assert "91 of 100 Coder Agent runtime hours 91%" in shown
    assert "CRITICAL" not in shown
    assert "No builds are included" not in shown
    assert (told["gone"], told["limit"], told["forecast"]["words"]) == (True, None, NO_LONGER_COUNTED)


def test_rebuild_counts_everything_again_after_a_loss_and_says_what_it_cannot_bring_back(
    awb: Awb, connection: "redis.Redis"
) -> None:
    world = World(3)
    kept = [world.create_task(world.developers[number % 3]) for number in range(6)]
    for workspace in kept[:2]:
        world.pause(workspace)
        world.resume(workspace)
    world.delete(kept[5])
    with ApiServer(world) as server:
        coder = {"AWB_CODER_URL": server.url, "AWB_CODER_TOKEN": server.token}
        assert awb("reconcile", **coder).exit_code == 0
        connection.flushall()
        done = awb("rebuild", "--json", **coder)
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        records, _ = Store(connection, DEPLOYMENT).records("awb").page(None, 100)
        assert {record.build_id: record.at for record in records} == truth(world)
        assert (told["proved"], told["used"]) == (len(truth(world)), len(truth(world)))
        assert told["history_source"] == "provisionerjobs"
        again = awb("rebuild", "--since", "2026-01-01", **coder)
    assert again.exit_code == 0, again.output
    assert f"{len(truth(world))} builds proved; {len(truth(world))} used" in again.stdout
    assert "Not restored, because Coder does not store it: deliveries" in again.stdout
    assert "Deleted workspaces were looked for since 2026-01-01" in again.stdout
    assert Store(connection, DEPLOYMENT).records("awb").count() == len(truth(world))


def test_rebuild_without_coders_api_says_what_is_missing(awb: Awb) -> None:
    done = awb("rebuild")
    assert done.exit_code == 78
    assert "set AWB_CODER_URL and AWB_CODER_TOKEN" in done.stderr
