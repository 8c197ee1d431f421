"""A month of a team's life, played in order and always the same."""

from datetime import datetime, timedelta

import pytest

from app.simulator.licence import Licence
from app.simulator.model import Transition
from app.simulator.month import Timeline, random_month
from app.simulator.notifications import Message
from app.simulator.world import World
from tests.simulator.courier import Courier, Losses


def digest(world: World) -> list[object]:
    builds = [build for workspace in world.workspaces for build in workspace.builds]
    return [(build.id, build.status, build.completed_at, build.reason) for build in builds]


def test_a_seed_gives_one_month() -> None:
    assert digest(random_month(5)) == digest(random_month(5)) != digest(random_month(6))


def test_who_listens_does_not_change_the_month() -> None:
    timeline = Timeline(World(5))
    Courier(timeline, lambda _message: None, Losses(0.1, 0.1, 0.1))
    timeline.every(60, lambda: None)
    assert digest(timeline.play()) == digest(random_month(5))


@pytest.mark.parametrize("seed", range(20))
def test_a_month_keeps_what_holds_of_every_world(seed: int) -> None:
    world = random_month(seed)
    assert 50 <= len(world.awbs) <= 160
    world.licence = Licence()
    assert world.actual == len(world.awbs) == len(world.usage) == len(world.counted(world.licence))
    for workspace in world.workspaces:
        assert [build.number for build in workspace.builds] == list(range(1, len(workspace.builds) + 1))
        times = [at for build in workspace.builds for at in (build.created_at, build.completed_at) if at]
        assert times == sorted(times)
        assert all(build.ended for build in workspace.builds[:-1])
        for build in workspace.builds:
            assert build.ended is (build.completed_at is not None)
            assert (build.has_ai_task is None) is not build.succeeded
            assert build.counts is bool(build.transition is Transition.START and build.has_ai_task)
            assert build.completed_at is None or build.completed_at <= world.now


def test_a_few_months_have_every_kind_of_start() -> None:
    worlds = [random_month(seed) for seed in range(5)]
    workspaces = [workspace for world in worlds for workspace in world.workspaces]
    reasons = {build.reason for world in worlds for build in world.awbs}
    assert reasons >= {"initiator", "task_resume", "dashboard", "cli", "autostart"}
    assert reasons >= {"ssh_connection", "vscode_connection", "jetbrains_connection"}
    assert {build.status.value for workspace in workspaces for build in workspace.builds} >= {"failed", "canceled"}
    assert any(build.why == "task created with a prebuild" for world in worlds for build in world.awbs)
    assert any(
        build.transition is Transition.START and build.succeeded and build.created_at > workspace.task.deleted_at
        for workspace in workspaces
        if workspace.task and workspace.task.deleted_at
        for build in workspace.builds
    )
    assert any(w.template.ai and not w.task and w.owner.username != "prebuilds" for w in workspaces)


def test_happenings_come_in_order_and_what_is_put_in_comes_in_between() -> None:
    timeline = Timeline(World(1), days=3)
    seen: list[datetime] = []
    timeline.every(60, lambda: seen.append(timeline.world.now))
    order = []
    for at, action in timeline:
        action()
        order.append(at)
        assert timeline.world.now >= at
    assert order == sorted(order)
    assert len(seen) == 63
    assert timeline.world.now == timeline.end


def test_the_courier_delivers_everything_but_what_is_lost() -> None:
    timeline = Timeline(World(1))
    arrived: list[tuple[datetime, Message]] = []
    courier = Courier(
        timeline, lambda message: arrived.append((timeline.world.now, message)), Losses(0.1, 0.2, 0.3), seed=4
    )
    timeline.play()
    ids = {message.id for _, message in arrived}
    lost = {message.id for message in courier.lost}
    assert lost
    assert not ids & lost
    assert ids | lost == {message.id for message in courier.outbox.messages}
    assert courier.delivered == len(arrived) > len(ids)
    delays = [at - message.happening.at for at, message in arrived]
    assert min(delays) >= timedelta(0)
    assert max(delays) > timedelta(minutes=5)
