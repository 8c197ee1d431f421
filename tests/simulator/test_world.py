"""The world's own invariants."""

from datetime import timedelta

import pytest

from app.simulator.model import Transition
from app.simulator.scenarios import SCENARIOS, Scenario
from app.simulator.traffic import Traffic
from app.simulator.world import CONNECTIONS, World


def busy_world(seed: int, steps: int = 200) -> World:
    world = World(seed)
    traffic = Traffic(world, failing_resumes=True)
    for _ in range(steps):
        traffic.step()
    return world


@pytest.fixture
def world() -> World:
    return World(1)


@pytest.mark.parametrize("seed", range(10))
def test_only_successful_starts_of_task_workspaces_are_awbs(seed: int) -> None:
    world = busy_world(seed)
    tasks = {workspace.id for workspace in world.workspaces if workspace.task}
    assert world.awbs
    for build in world.awbs:
        assert build.transition is Transition.START
        assert build.succeeded
        assert build.workspace_id in tasks
        assert build.why


def test_builds_are_numbered_from_one_within_their_workspace() -> None:
    for workspace in busy_world(3).workspaces:
        assert [build.number for build in workspace.builds] == list(range(1, len(workspace.builds) + 1))


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    first, again, other = (
        [(build.id, build.completed_at, build.why) for build in busy_world(seed).awbs] for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_no_id_is_used_twice() -> None:
    world = busy_world(4)
    ids = [workspace.id for workspace in world.workspaces]
    ids += [build.id for workspace in world.workspaces for build in workspace.builds]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_the_true_count_follows_the_documented_scenarios(world: World, scenario: Scenario) -> None:
    prepared = scenario.prepare(world) if scenario.prepare else None
    before = len(world.awbs)
    scenario.play(world, prepared)
    assert len(world.awbs) - before == int(scenario.counts)


def test_a_failed_build_is_no_awb_and_leaves_the_workspace_stopped(world: World) -> None:
    workspace = world.create_task(world.developers[0], fails=True)
    assert world.awbs == []
    assert not workspace.running
    world.start(workspace)
    assert [build.number for build in world.awbs] == [2]


def test_a_deleted_task_keeps_its_awbs_and_can_do_nothing_more(world: World) -> None:
    workspace = world.create_task(world.developers[0])
    world.delete(workspace)
    assert len(world.awbs) == 1
    for action in (world.resume, world.pause, world.start, world.delete):
        with pytest.raises(ValueError, match="cannot"):
            action(workspace)


def test_what_coder_refuses_is_refused(world: World) -> None:
    task = world.create_task(world.developers[0])
    ordinary = world.create_workspace(world.developers[0], world.template("go-backend"), why="work")
    with pytest.raises(ValueError, match="resume"):
        world.resume(task)
    with pytest.raises(ValueError, match="pause"):
        world.pause(ordinary)
    with pytest.raises(ValueError, match="no agent"):
        world.report_status(ordinary, "idle")


def test_a_build_under_way_is_no_awb_and_bars_any_other(world: World) -> None:
    workspace = world.create_task(world.developers[0], unfinished=True)
    build = workspace.latest
    assert (world.awbs, workspace.running, build.ended) == ([], False, False)
    for action in (world.start, world.stop, world.delete, world.resume):
        with pytest.raises(ValueError, match="cannot"):
            action(workspace)
    world.run(build)
    at = world.now + timedelta(minutes=3)
    world.finish(build, at)
    assert (world.awbs, build.completed_at, world.now) == ([build], at, at)
    with pytest.raises(ValueError, match="already ended"):
        world.finish(build)


def test_a_cancelled_build_is_no_awb(world: World) -> None:
    workspace = world.create_task(world.developers[0], unfinished=True)
    world.cancel(workspace.latest)
    assert (world.awbs, workspace.busy, workspace.latest.has_ai_task) == ([], False, None)


@pytest.mark.parametrize("reason", ["initiator", "dashboard", "cli", "autostart", *CONNECTIONS])
def test_each_start_of_a_task_counts_whoever_starts_it(world: World, reason: str) -> None:
    workspace = world.create_task(world.developers[0])
    world.pause(workspace)
    assert world.start(workspace, reason=reason).counts
    assert world.restart(workspace, reason=reason).counts
    assert len(world.awbs) == 3


def test_an_update_counts_and_has_a_new_version(world: World) -> None:
    workspace = world.create_task(world.developers[0])
    before = workspace.latest.version
    build = world.update(workspace)
    assert build.counts
    assert build.version != before == workspace.builds[1].version


def test_a_prebuild_counts_once_it_is_claimed_for_a_task(world: World) -> None:
    workspace = world.create_prebuild(world.template("codex-tasks"))
    assert world.awbs == []
    build = world.claim(workspace, world.developers[0])
    assert (world.awbs, build.number) == ([build], 2)
    assert workspace.owner is world.developers[0]


def test_what_is_left_of_a_deleted_task_does_not_count(world: World) -> None:
    workspace = world.create_task(world.developers[0])
    world.delete(workspace, fails=True)
    assert not workspace.deleted
    world.stop(workspace)
    assert not world.start(workspace).counts
    assert [build.has_ai_task for build in workspace.builds] == [True, None, False, False]
    assert len(world.awbs) == 1


def test_an_ordinary_workspace_from_an_ai_template_does_not_count(world: World) -> None:
    world.create_workspace(world.developers[0], world.template("codex-tasks"), why="work")
    assert world.awbs == []
