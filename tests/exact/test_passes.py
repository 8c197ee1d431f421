"""Passes are steps: they stop and go on anywhere, and what is left of the past outlives them."""

from datetime import timedelta
from itertools import pairwise

import pytest
import redis
import time_machine

from app.config.load import Config
from app.core.coder.history import HistorySource
from app.core.coder.passes import PassState, Phase, Window, begin, describe
from app.pipeline import passes as coder
from app.pipeline.count.reconcile import list_changes
from app.pipeline.count.verify import verify_due
from app.simulator.licence import Licence
from app.store.coder.passes import Passes
from app.store.store import Store
from tests.conftest import RedisServer, make_config
from tests.exact.play import DEPLOYMENT
from tests.exact.stage import AUDIT, JOBS, LISTING, Stage, tasks

QUEUE = "rq:queue:awb-maintenance"


def one_step(stage: Stage) -> Phase:
    """Go on with the pass for one step, as a job does whose time is over then."""
    with time_machine.travel(stage.world.now, tick=False) as traveller:
        list_changes(
            Store(stage.connection, DEPLOYMENT),
            stage.api,
            restart=False,
            seconds=5,
            progress=lambda _listed, _asked: traveller.shift(6),
        )
    _version, state = Passes(stage.connection, DEPLOYMENT).load()
    assert state is not None
    return state.phase


def test_a_pass_taken_step_by_step_is_the_same_as_one_in_one_go(stage: Stage) -> None:
    stage.world.licence = Licence()
    stage.server.denied = ("/provisionerjobs",)
    workspaces = tasks(stage.world, 230)
    for workspace in workspaces[::5]:
        stage.world.delete(workspace)
    phases = [one_step(stage)]
    while phases[-1] is not Phase.DONE:
        phases.append(one_step(stage))
    assert phases == sorted(phases, key=list(Phase).index)
    # Two pages of workspaces, tasks, what is gone, the source, its denial, three pages of the log, and the end.
    assert stage.server.requests[LISTING] == 2
    assert stage.server.requests[AUDIT] == 3
    assert len(phases) >= 9
    stage.verify()
    assert stage.state.mark("reconciled_at") is not None
    stage.assert_exact()


def test_a_process_that_dies_in_a_pass_costs_the_step_under_way(stage: Stage) -> None:
    tasks(stage.world, 350)
    for _ in range(3):
        one_step(stage)
    assert stage.server.requests[LISTING] == 3
    stage.world.pass_time(5)
    with stage.now():
        listed = list_changes(Store(stage.connection, DEPLOYMENT), stage.api, restart=False)
    assert (listed.listed, listed.complete) == (350, True)
    assert stage.server.requests[LISTING] == 4
    stage.verify()
    stage.assert_exact()


def test_a_pass_that_stood_still_for_an_hour_begins_anew(stage: Stage) -> None:
    tasks(stage.world, 150)
    one_step(stage)
    stage.world.pass_time(61)
    with stage.now():
        listed = list_changes(Store(stage.connection, DEPLOYMENT), stage.api, restart=False)
    assert listed.listed == 150
    assert stage.server.requests[LISTING] == 3


def test_what_an_outage_leaves_of_the_past_is_read_by_the_next_pass(stage: Stage) -> None:
    stage.world.licence = Licence()
    stage.server.denied = ("/provisionerjobs",)
    for workspace in tasks(stage.world, 260):
        stage.world.delete(workspace)
    while stage.server.requests[AUDIT] < 2:
        one_step(stage)
    stage.server.outage = True
    assert stage.listings().failure is not None
    stage.server.outage = False
    stage.world.advance_to(stage.world.now + timedelta(days=40))
    # Gone, too, and only the newest part of the past tells of it.
    stage.world.delete(tasks(stage.world, 1)[0])
    stage.look()
    stage.assert_exact()
    _version, state = Passes(stage.connection, DEPLOYMENT).load()
    assert state is not None
    assert state.windows == ()


def limits(stage: Stage) -> list[str]:
    return [call.rpartition("limit=")[2] for call in stage.server.calls if "provisionerjobs" in call]


def test_jobs_that_do_not_reach_back_far_enough_are_asked_for_again(stage: Stage) -> None:
    for workspace in tasks(stage.world, 130):
        stage.world.restart(workspace)
        stage.world.delete(workspace)
    stage.look()
    # 390 jobs: 200 do not reach back 400 days. There could be as many on each of these days.
    assert limits(stage) == ["200", "50000"]
    stage.assert_exact()
    stage.server.count_from_here()
    stage.world.pass_time(120)
    stage.look()
    assert stage.server.requests[JOBS] == 1


@pytest.mark.parametrize(("number", "days", "asked"), [(130, 2, ["200", "1000"]), (450, 0.8, ["200", "5000"])])
def test_numbers_of_jobs_that_will_not_suffice_are_skipped(
    stage: Stage, number: int, days: float, asked: list[str]
) -> None:
    """Three builds each, at even intervals for most of a year."""
    for _ in range(number):
        [workspace] = tasks(stage.world, 1)
        stage.world.restart(workspace)
        stage.world.delete(workspace)
        stage.world.pass_time(days * 24 * 60)
    stage.look()
    assert limits(stage) == asked
    stage.assert_exact()


def test_a_job_whose_time_is_over_queues_the_next_behind_the_verifying(
    connection: "redis.Redis", redis_server: RedisServer, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(redis_server.url, coder_url=stage.server.url, coder_token=stage.server.token)
    tasks(stage.world, 3)
    monkeypatch.setattr(coder, "_LIST_SECONDS", 0.0)
    with stage.now():
        first = coder.reconcile(Store(connection, DEPLOYMENT), config, 8)
        assert first is not None
        assert not first.complete
        assert connection.lrange(QUEUE, 0, -1) == [b"verify-default", b"reconcile-default_8_2"]
        monkeypatch.setattr(coder, "_LIST_SECONDS", 60.0)
        second = coder.reconcile(Store(connection, DEPLOYMENT), config, 8, 2)
        assert second is not None
        assert second.complete
        verify_due(Store(connection, DEPLOYMENT), config, stage.api)
    stage.assert_exact()


def test_two_runners_share_the_steps_of_one_pass(stage: Stage, config: Config) -> None:
    del config
    tasks(stage.world, 250)
    passes = Passes(stage.connection, DEPLOYMENT)
    one_step(stage)
    version, state = passes.load()
    assert state is not None
    assert passes.step(version, state.model_copy(update={"offset": 7}))
    # Who began from the former state has lost, and goes on from the one that is kept.
    assert not passes.step(version, state)
    _version, kept = passes.load()
    assert kept is not None
    assert kept.offset == 7


def test_windows_of_the_past_are_never_lost_and_never_too_many() -> None:
    state: PassState | None = None
    for number in range(40):
        state = begin(state, 1000.0 * (number + 1), since=1000.0 * number - 50, full=False)
    assert state is not None
    assert len(state.windows) <= 16
    covered = sorted((window.since, window.to) for window in state.windows)
    assert covered[0][0] == -50
    assert covered[-1][1] == 40_000
    assert all(earlier[1] >= later[0] for earlier, later in pairwise(covered))


def test_a_state_of_a_newer_version_is_read_without_what_it_does_not_know() -> None:
    state = PassState(begun=1.0, moved=2.0, windows=(Window(since=0.0, to=1.0, source=HistorySource.AUDIT),))
    text = state.model_dump_json().replace('"begun"', '"later": {"x": 1}, "begun"')
    assert PassState.model_validate_json(text) == state
    assert describe(state) == "lists the workspaces of tasks, 0 so far"
