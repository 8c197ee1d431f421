"""Notices through the pipeline: each once for as long as it holds, into the outbox, and again when it came back."""

import threading
from datetime import timedelta

import pytest
import redis

from app.core.coder.shapes import Entitlements
from app.core.limit.drift import DriftPoint
from app.pipeline.watch.notices import give_notice
from app.simulator.licence import AgentHours, Seats
from app.store.coder.state import CoderState
from app.store.server.connection import connect
from app.store.store import Store
from tests.conftest import RedisServer
from tests.exact.play import DEPLOYMENT
from tests.exact.stage import Stage, day, licence, tasks


def hear(stage: Stage, *warnings: str, errors: tuple[str, ...] = ()) -> None:
    said = Entitlements(has_license=False, warnings=list(warnings), errors=list(errors))
    CoderState(stage.connection, DEPLOYMENT).save_licence(said, None, stage.world.now)


def keep_drifting(stage: Stage, *drifts: int) -> None:
    """Note a drift each day, the last of them now."""
    for n, drift in enumerate(drifts):
        at = stage.world.now - timedelta(days=len(drifts) - 1 - n)
        stage.state.add_drift(DriftPoint(at, 100 + drift, 100))


def test_where_all_is_well_nothing_is_sent(stage: Stage) -> None:
    stage.world.licence = licence()
    tasks(stage.world, 3)
    stage.tell()
    stage.world.pass_time(10)
    stage.look()
    assert stage.notices() == []
    assert stage.sent() == []


def test_a_notice_is_said_once_while_it_holds_and_again_when_it_came_back(stage: Stage) -> None:
    hear(stage, "Renew your licence.")
    [key] = stage.notices()
    for _ in range(5):
        stage.world.pass_time(10)
        assert stage.notices() == []
    hear(stage)
    assert stage.notices() == []
    hear(stage, "Renew your licence.")
    assert stage.notices() == [key]
    assert stage.notices() == []
    assert len({row["id"] for row in stage.sent()}) == 2


def test_numbers_that_move_within_a_warning_are_no_new_notice(stage: Stage) -> None:
    stage.world.licence = licence()
    said = []
    for used in range(88, 101):
        stage.world.ai_seats = Seats(limit=100, used=used)
        stage.world.pass_time(10)
        stage.look()
        said += stage.notices()
    assert len(said) == 1
    assert len(stage.sent()) == 1


@pytest.mark.parametrize("version", [(2, 30, 0), (2, 31, 9)])
def test_what_our_thresholds_say_is_no_notice(stage: Stage, version: tuple[int, int, int]) -> None:
    stage.world.licence = licence(4)
    stage.world.version = version
    for _ in range(6):
        tasks(stage.world, 1)
        stage.tell()
        stage.world.pass_time(10)
        stage.look()
        assert stage.notices() == []
    said = stage.state.entitlements()
    assert said is not None
    assert said.warnings != []
    assert stage.warn() == [("first", "150%")]


def test_coders_errors_are_critical(stage: Stage) -> None:
    stage.world.licence = licence(10, day(0), day(1))
    stage.world.advance_to(day(1))
    stage.look()
    assert [key.rpartition("-")[0] for key in stage.notices()] == ["licence-error"]
    [row] = stage.sent()
    assert row["headline"] == "Coder licence error"
    key = f"awb:v1:{DEPLOYMENT}:notification:{row['id']}"
    assert b'"severity":"critical"' in stage.connection.hget(key, "alert")


def test_a_version_without_tasks_is_reported_instead_of_silence(stage: Stage) -> None:
    stage.world.licence = licence()
    tasks(stage.world, 3)
    stage.tell()
    stage.look()
    assert stage.notices() == []
    stage.world.upgrade((2, 37, 0))
    stage.world.agent_hours = AgentHours(limit=100, soft_limit=80, hard_limit=120)
    stage.world.pass_time(10)
    stage.look()
    assert stage.notices() == ["tasks-gone"]
    assert (stage.notices(), stage.usage().used) == ([], 3)
    stage.assert_exact()


def test_an_api_that_is_away_for_a_day_is_reported_once_and_again_after_it_was_back(stage: Stage) -> None:
    stage.look()
    for _ in range(2):
        said = []
        stage.server.outage = True
        for _ in range(30):
            stage.world.pass_time(60)
            assert stage.listings().failure is not None
            said.append(stage.notices())
        assert [len(keys) for keys in said] == [0] * 24 + [1] + [0] * 5
        stage.server.outage = False
        stage.look()
        assert stage.notices() == []
    assert [row["headline"] for row in stage.sent()] == ["Coder's API has not answered for a day"] * 2


def test_an_api_that_fails_now_and_then_is_not_away(stage: Stage) -> None:
    for n in range(40):
        stage.world.pass_time(60)
        stage.server.outage = n % 12 != 0
        stage.listings()
        assert stage.notices() == []


def test_a_token_that_was_revoked_is_reported_by_what_to_do(stage: Stage) -> None:
    stage.look()
    stage.server.revoke(stage.server.token)
    for _ in range(26):
        stage.world.pass_time(60)
        stage.listings()
        stage.notices()
    [row] = stage.sent()
    text = stage.connection.hget(f"awb:v1:{DEPLOYMENT}:notification:{row['id']}", "alert").decode()
    assert "coder tokens create" in text
    assert stage.server.token not in text


def test_silence_is_reported_only_while_builds_are_proved_and_nothing_arrives(stage: Stage) -> None:
    tasks(stage.world, 2)
    stage.tell()
    stage.look()
    # A quiet weekend: nothing is built, nothing is told.
    stage.world.pass_time(3 * 24 * 60)
    stage.look()
    assert stage.notices() == []
    tasks(stage.world, 1)
    stage.forget()
    stage.look()
    assert stage.notices() == ["input-broken"]
    tasks(stage.world, 1)
    stage.forget()
    stage.look()
    assert stage.notices() == []
    # What arrives ends it.
    tasks(stage.world, 1)
    stage.tell()
    stage.look()
    assert stage.notices() == []
    assert len(stage.sent()) == 1


def test_the_build_that_the_last_notification_announced_is_no_sign_of_silence(stage: Stage) -> None:
    workspace = stage.world.create_task(stage.world.user("ada"), unfinished=True)
    stage.tell()
    stage.world.finish(workspace.latest, stage.world.now + timedelta(minutes=9))
    for _ in range(6):
        stage.look()
        assert stage.notices() == []
        stage.world.pass_time(12 * 60)


def test_notifications_that_are_a_few_hours_late_are_no_silence(stage: Stage) -> None:
    tasks(stage.world, 1)
    stage.tell()
    for _ in range(23):
        stage.world.pass_time(58)
        tasks(stage.world, 1)
        stage.look()
        assert stage.notices() == []


def test_builds_of_before_the_first_pass_are_no_silence(stage: Stage) -> None:
    tasks(stage.world, 5)
    stage.forget()
    stage.world.pass_time(10)
    stage.look()
    assert stage.notices() == []
    tasks(stage.world, 1)
    stage.look()
    assert stage.notices() == ["input-broken"]


def test_a_licence_that_covers_nothing_is_reported_until_it_does(stage: Stage) -> None:
    stage.world.licence = licence(entitled=False)
    stage.look()
    assert stage.notices() == ["not-entitled"]
    stage.world.pass_time(10)
    stage.look()
    assert stage.notices() == []
    stage.world.licence = licence()
    stage.look()
    assert stage.notices() == []
    stage.world.licence = licence(0)
    stage.look()
    assert stage.notices() == ["not-entitled"]


def test_a_grace_period_is_reported(stage: Stage) -> None:
    feature = {"entitlement": "grace_period", "enabled": True, "limit": 5}
    said = {"has_license": True, "features": {"managed_agent_limit": feature}}
    stage.state.save_licence(Entitlements.model_validate(said), None, stage.world.now)
    assert (stage.notices(), stage.notices()) == (["grace-period"], [])


def test_growing_drift_is_reported_once_and_a_constant_one_never(stage: Stage) -> None:
    keep_drifting(stage, *([-30] * 9))
    assert stage.notices() == []
    stage.connection.delete(f"awb:v1:{DEPLOYMENT}:drift")
    keep_drifting(stage, *range(0, -16, -2))
    [key] = stage.notices()
    assert key == "drift-2025-07-01"
    stage.world.pass_time(24 * 60)
    stage.state.add_drift(DriftPoint(stage.world.now, 80, 100))
    assert stage.notices() == []
    assert len(stage.sent()) == 1


def test_a_licence_replaced_takes_its_drift_with_it(stage: Stage) -> None:
    """The same day belongs to both periods; the old one's drift says nothing about the new one's."""
    stage.world.licence = licence(1000, day(0))
    stage.world.usage_since = day(1)
    tasks(stage.world, 30)
    stage.forget()
    for n in range(1, 4):
        for hour in (1, 5, 9):
            stage.world.advance_to(day(n, hour))
            stage.look()
            assert stage.notices() == []
    assert stage.usage().drift == 30
    stage.world.advance_to(day(3, 12))
    stage.world.licence = licence(1000, day(3, 12))
    stage.look()
    assert (stage.usage().drift, stage.notices()) == (0, [])
    # Back to the first one, whose period began long before the points of both.
    stage.world.advance_to(day(4, 12))
    stage.world.licence = licence(1000, day(0))
    stage.look()
    assert (stage.usage().drift, stage.notices()) == (30, [])


def test_a_notice_is_queued_for_every_receiver(stage: Stage) -> None:
    hear(stage, "Renew your licence.", errors=("Broken.",))
    stage.notices()
    rows = stage.sent()
    assert {(row["receiver"], row["state"]) for row in rows} == {("slack", "pending")}
    queued = [item.decode() for item in stage.connection.lrange("rq:queue:awb-notifications", 0, -1)]
    assert sorted(queued) == sorted(f"notification-{DEPLOYMENT}-{row['id']}" for row in rows)
    pending = stage.connection.zrange(f"awb:v1:{DEPLOYMENT}:pending", 0, -1)
    assert sorted(item.decode() for item in pending) == sorted(row["id"] for row in rows)


def test_sixteen_at_once_say_it_once(stage: Stage, redis_server: RedisServer, connection: "redis.Redis") -> None:
    hear(stage, "One.", "Two.", errors=("Three.",))
    together = threading.Barrier(16)
    said: list[str] = []

    def race() -> None:
        own = connect(redis_server.url)
        together.wait()
        said.extend(notice.key for notice in give_notice(Store(own, DEPLOYMENT), stage.config))
        own.close()

    with stage.now():
        threads = [threading.Thread(target=race) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(said) == len(set(said)) == 3
    assert len(stage.sent()) == 3
