"""Reconcile: a pass finds what nobody told of, costs little, and may break off anywhere."""

import threading
from datetime import timedelta

import pytest
import redis

from app.coder.api import CoderApi
from app.coder.errors import Failure
from app.config.load import Config
from app.core.coder.history import HistorySource
from app.pipeline.count.reconcile import list_changes
from app.pipeline.count.verify import verify_due
from app.pipeline.passes import enqueue_due, reconcile, verify
from app.simulator.api import ApiFaults
from app.simulator.licence import Licence
from app.simulator.model import Role
from app.simulator.month import Timeline
from app.simulator.versions import CURRENT, MIDDLE_SEEN, OLDEST_SEEN, Version
from app.simulator.world import World
from app.store.server.connection import connect
from app.store.store import Store
from tests.conftest import RedisServer, make_config
from tests.exact.play import DEPLOYMENT
from tests.exact.stage import (
    AUDIT,
    BUILDS,
    JOBS,
    LISTING,
    ORGANIZATIONS,
    TASKS,
    Stage,
    day,
    licence,
    on_stage,
    tasks,
)

ALWAYS = {"GET /api/v2/buildinfo": 1, "GET /api/v2/entitlements": 1, TASKS: 1, ORGANIZATIONS: 1}


def live(stage: Stage, days: int) -> None:
    """Let some days pass of which nobody tells."""
    Timeline(stage.world, days=days, tasks_per_day=4).play()
    stage.forget()


def test_a_pass_with_nothing_new_costs_its_lists_alone(stage: Stage) -> None:
    tasks(stage.world, 250)
    stage.look()
    for _ in range(3):
        stage.world.pass_time(60)
        stage.server.count_from_here()
        stage.look()
        # Three pages of tasks' workspaces, and one answer of jobs.
        assert stage.server.requests == {**ALWAYS, LISTING: 3, JOBS: 1}
    stage.assert_exact()


def test_the_first_pass_costs_its_lists_and_a_call_for_each_workspace_four_at_once(stage: Stage) -> None:
    tasks(stage.world, 130)
    stage.server.faults = ApiFaults(slow_seconds=0.004)
    listed = stage.listings()
    assert (listed.listed, listed.asked) == (130, 130)
    assert stage.verify().workspaces == 130
    assert stage.server.requests == {**ALWAYS, LISTING: 2, JOBS: 1, BUILDS: 130}
    assert 2 <= stage.server.most_at_once <= 4
    stage.assert_exact()


def test_a_pass_looks_only_at_workspaces_with_new_builds(stage: Stage) -> None:
    workspaces = tasks(stage.world, 30)
    stage.look()
    for workspace in workspaces[:7]:
        stage.world.restart(workspace)
    stage.server.count_from_here()
    stage.look()
    assert stage.server.requests[BUILDS] == 7
    stage.assert_exact()


def test_a_full_pass_looks_at_every_workspace_and_changes_nothing(stage: Stage) -> None:
    tasks(stage.world, 30)
    stage.look()
    stage.server.count_from_here()
    assert stage.look(full=True).change == 0
    assert stage.server.requests[BUILDS] == 30
    stage.assert_exact()


def test_a_pass_whose_verifying_fails_is_not_complete(stage: Stage) -> None:
    tasks(stage.world, 5)
    assert stage.listings().failure is None
    stage.server.outage = True
    for _ in range(4):
        stage.verify()
        assert stage.state.mark("reconciled_at") is None
        assert stage.state.mark("pass_begun_at") is not None
    stage.server.outage = False
    stage.world.pass_time(2)
    stage.verify()
    assert stage.state.mark("reconciled_at") is not None
    assert stage.state.mark("pass_begun_at") is None
    stage.assert_exact()


@pytest.mark.parametrize(
    ("version", "source"),
    [
        (version, source)
        for version in (OLDEST_SEEN, MIDDLE_SEEN, CURRENT)
        for source in (HistorySource.PROVISIONER_JOBS, HistorySource.AUDIT)
    ],
)
def test_what_was_made_and_deleted_between_two_passes_is_found(
    connection: "redis.Redis", config: Config, version: Version, source: HistorySource
) -> None:
    with on_stage(connection, config, World(7, version=version)) as stage:
        if source is HistorySource.AUDIT:
            stage.see_as(stage.world.add_user("meter", Role.TEMPLATE_ADMIN, Role.AUDITOR))
        known = tasks(stage.world, 3)
        stage.look()
        stage.world.pass_time(30)
        short_lived = stage.world.create_task(stage.world.user("ada"))
        stage.world.pause(short_lived)
        stage.world.resume(short_lived)
        stage.world.restart(known[0])
        stage.world.delete(short_lived)
        stage.world.delete(known[0])
        stage.forget()
        stage.server.count_from_here()
        stage.look()
        assert len(stage.records()) == 6
        stage.assert_exact()
        assert bool(stage.server.requests[AUDIT]) is (source is HistorySource.AUDIT)
        assert stage.state.history_source() is source


def test_where_nothing_shows_deleted_workspaces_the_meter_knows_that_it_does_not_see_them(stage: Stage) -> None:
    tasks(stage.world, 2)
    stage.see_as(stage.world.add_user("tia", Role.TEMPLATE_ADMIN))
    stage.look()
    assert stage.state.history_source() is HistorySource.NONE
    assert not stage.state.sees_deleted
    stage.see_as(stage.world.users[0])
    stage.look()
    assert stage.state.history_source() is HistorySource.PROVISIONER_JOBS


def test_an_audit_log_that_records_nothing_is_no_sight_of_deleted_workspaces(stage: Stage) -> None:
    """An AGPL server answers for its audit log, and there is nothing in it."""
    stage.world.licence = Licence()
    stage.server.denied = ("/provisionerjobs",)
    tasks(stage.world, 2)
    stage.server.edits = {"/audit": lambda answer: answer.update(audit_logs=[], count=0)}
    stage.look()
    assert stage.state.history_source() is HistorySource.NONE
    # Entries of a time in which it was no AGPL server prove nothing either: there are no entitlements.
    stage.server.edits = {}
    stage.server.denied = ("/provisionerjobs", "/entitlements")
    stage.connection.flushall()
    stage.look()
    assert stage.state.history_source() is HistorySource.NONE


def test_an_audit_log_without_a_start_since_the_last_pass_is_still_one(stage: Stage) -> None:
    stage.world.licence = Licence()
    stage.server.denied = ("/provisionerjobs",)
    tasks(stage.world, 2)
    stage.look()
    stage.world.pass_time(60 * 24 * 3)
    stage.look()
    stage.world.pass_time(60 * 24 * 3)
    stage.look()
    assert stage.state.history_source() is HistorySource.AUDIT


def test_ordinary_workspaces_cost_one_look_for_each_of_their_builds_and_leave_nothing(stage: Stage) -> None:
    ada, template = stage.world.user("ada"), stage.world.templates[-1]
    for _ in range(12):
        stage.world.create_workspace(ada, template, why="for people")
    stage.look()
    stage.server.count_from_here()
    for _ in range(3):
        stage.world.pass_time(10)
        stage.look()
    assert stage.server.requests[BUILDS] == 0
    assert not list(stage.connection.scan_iter("*:ws:*"))


def test_a_workspace_known_to_the_meter_is_looked_at_once_more_when_it_is_gone(stage: Stage) -> None:
    """Where nothing tells of deleted workspaces, nothing but the meter's own memory leads there."""
    stage.server.denied = ("/provisionerjobs", "/audit")
    [workspace] = tasks(stage.world, 1)
    stage.look()
    stage.world.restart(workspace)
    stage.world.delete(workspace)
    stage.server.count_from_here()
    stage.look()
    stage.assert_exact()
    assert stage.server.requests[BUILDS] == 1
    stage.server.count_from_here()
    stage.look()
    assert stage.server.requests[BUILDS] == 0


def test_a_task_whose_latest_build_runs_or_failed_is_found_by_the_list_of_tasks(stage: Stage) -> None:
    running, failed = tasks(stage.world, 2)
    stage.world.pause(running)
    stage.world.resume(running, unfinished=True)
    stage.world.pause(failed)
    stage.world.resume(failed, fails=True)
    stage.forget()
    stage.look()
    assert len(stage.records()) == 2
    stage.world.finish(running.latest)
    stage.look()
    stage.assert_exact()


def test_community_is_exact_without_a_licence(connection: "redis.Redis", config: Config) -> None:
    with on_stage(connection, config, World(0)) as stage:
        live(stage, 6)
        stage.look()
        stage.assert_exact()
        assert stage.state.drift() == []


@pytest.mark.parametrize("seen", [True, False])
def test_what_is_left_over_of_a_task_that_was_deleted_before_the_first_pass_is_found(stage: Stage, seen: bool) -> None:
    """It is not deleted, it has no task, and its latest build belonged to none; but it had a task once."""
    stage.world.licence = Licence()
    stage.server.denied = () if seen else ("/provisionerjobs", "/audit")
    [left] = tasks(stage.world, 1)
    stage.world.delete(left, fails=True)
    stage.world.restart(left)
    stage.world.pass_time(10)
    stage.look()
    assert (stage.usage().counted, stage.usage().used, stage.usage().drift) == (1, 1, 0)
    stage.assert_exact()


@pytest.mark.parametrize("version", [(2, 27, 4), (2, 28, 11), (2, 29, 6), (2, 31, 9)])
def test_tasks_are_found_where_each_version_has_them(stage: Stage, version: tuple[int, int, int]) -> None:
    stage.world.version = version
    workspace = stage.world.create_task(stage.world.user("ada"))
    stage.world.pause(workspace)
    stage.world.resume(workspace, fails=True)
    stage.look()
    assert len(stage.records()) == 1


def test_without_tasks_the_count_stands_and_passes_go_on(connection: "redis.Redis", config: Config) -> None:
    with on_stage(connection, config, World(6)) as stage:
        live(stage, 3)
        stage.look()
        before = stage.records()
        stage.world.upgrade((2, 37, 0))
        for _ in range(3):
            stage.world.pass_time(10)
            stage.look()
        assert stage.records() == before
        stage.assert_exact()


def test_wherever_the_api_goes_away_nothing_is_lost_and_nothing_counted_twice(
    connection: "redis.Redis", config: Config
) -> None:
    world = World(5)
    with on_stage(connection, config, world) as stage:
        stage.api = CoderApi(stage.server.url, stage.server.token, attempts=1)
        live(stage, 4)
        connection.flushall()
        stage.look()
        requests = stage.server.asked
        assert requests > 10
        stage.assert_exact()
        complete = stage.records()
        for at in range(1, requests + 1):
            connection.flushall()
            stage.server.count_from_here(goes_at=at)
            listed = stage.listings()
            if listed.failure:
                assert listed.failure.kind is Failure.UNREACHABLE
                assert stage.state.mark("pass_begun_at") is None
            stage.verify()
            assert stage.state.mark("reconciled_at") is None
            assert {record.key for record in stage.records()} <= {record.key for record in complete}
            stage.server.count_from_here()
            world.pass_time(2)
            stage.look()
            stage.assert_exact()
            assert stage.state.mark("reconciled_at") is not None
            assert stage.state.mark("failing_since") is None


@pytest.mark.parametrize("kind", ["server_error", "broken_json", "drop_connection", "rate_limited"])
def test_a_single_fault_anywhere_costs_a_repetition_at_most(
    connection: "redis.Redis", config: Config, kind: str
) -> None:
    world = World(6)
    with on_stage(connection, config, world) as stage:
        live(stage, 3)
        for n in range(12):
            connection.flushall()
            stage.server.count_from_here()
            stage.server.faults = ApiFaults()
            if n:
                stage.server.faults = ApiFaults(**{kind: 0.3})
            stage.listings()
            stage.verify()
            stage.server.faults = ApiFaults()
            world.pass_time(2)
            stage.look()
            stage.assert_exact()


def test_two_passes_at_once_count_once(stage: Stage, redis_server: RedisServer) -> None:
    live(stage, 5)
    stage.server.faults = ApiFaults(slow_seconds=0.002)
    together = threading.Barrier(3)
    failures: list[object] = []

    def race() -> None:
        own = connect(redis_server.url)
        api = CoderApi(stage.server.url, stage.server.token)
        together.wait()
        for _ in range(2):
            failures.append(list_changes(Store(own, DEPLOYMENT), api, full=True).failure)
            failures.append(verify_due(Store(own, DEPLOYMENT), stage.config, api).failure)
        own.close()

    with stage.now():
        threads = [threading.Thread(target=race) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == [None] * 12
    stage.assert_exact()


def test_jobs_reconcile_verify_warn_and_queue_each_other(
    connection: "redis.Redis", redis_server: RedisServer, stage: Stage
) -> None:
    config = make_config(
        redis_server.url,
        coder_url=stage.server.url,
        coder_token=stage.server.token,
        slack_webhook_url="http://127.0.0.1:1/services/T/B/x",
    )
    stage.world.licence = licence(4)
    tasks(stage.world, 4)
    stage.forget()
    with stage.now():
        listed = reconcile(Store(connection, DEPLOYMENT), config, 1)
        assert listed is not None
        assert listed.asked == 4
        assert connection.lrange("rq:queue:awb-maintenance", 0, -1) == [b"verify-default"]
        verified = verify(Store(connection, DEPLOYMENT), config)
        assert verified is not None
        assert (verified.workspaces, verified.change) == (4, 4)
    assert [(row["reason"], row["level"]) for row in stage.sent()] == [("first", "100%")]
    stage.assert_exact()


def test_jobs_are_queued_where_something_waits_and_passes_once_a_tick(connection: "redis.Redis", stage: Stage) -> None:
    queue = "rq:queue:awb-maintenance"
    with stage.now():
        enqueue_due(connection, stage.config, reconcile_tick=None)
        assert connection.lrange(queue, 0, -1) == []
        for _ in range(3):
            enqueue_due(connection, stage.config, reconcile_tick=8)
        assert connection.lrange(queue, 0, -1) == [b"reconcile-default_8"]
    tasks(stage.world, 1)
    stage.tell()
    with stage.now():
        for _ in range(3):
            enqueue_due(connection, stage.config, reconcile_tick=None)
    assert connection.lrange(queue, 0, -1) == [b"reconcile-default_8", b"verify-default"]


def test_without_an_api_neither_is_done(connection: "redis.Redis", redis_server: RedisServer) -> None:
    config = make_config(redis_server.url)
    assert reconcile(Store(connection, DEPLOYMENT), config, 1) is None
    assert verify(Store(connection, DEPLOYMENT), config) is None
    enqueue_due(connection, config, reconcile_tick=1)
    assert connection.keys() == []


def test_a_meter_that_begins_late_finds_what_there_ever_was(connection: "redis.Redis", config: Config) -> None:
    with on_stage(connection, config, World(4)) as stage:
        live(stage, 10)
        stage.world.advance_to(day(200))
        stage.look()
        stage.assert_exact()


def test_a_pass_with_an_earlier_start_finds_what_is_older_than_the_last_pass(stage: Stage) -> None:
    stage.world.licence = Licence()
    stage.look()
    old = stage.world.create_task(stage.world.user("ada"))
    stage.world.delete(old)
    stage.server.denied = ("/provisionerjobs", "/audit")
    begun = stage.world.now
    stage.world.advance_to(begun + timedelta(days=9))
    stage.look()
    stage.server.denied = ()
    stage.look()
    assert stage.records() == []
    stage.look(since=begun - timedelta(days=1))
    stage.assert_exact()
