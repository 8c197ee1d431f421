"""The world's own invariants."""

import pytest

from app.simulator.model import Transition
from app.simulator.scenarios import SCENARIOS, Scenario
from app.simulator.traffic import Traffic
from app.simulator.world import World


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
