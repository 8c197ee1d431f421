"""What counted on real servers, scenario by scenario, by notifications alone and with Coder's API.

The expected numbers are those seen on v2.31.9: Coder's own usage events, what notifications alone should tell, and what
the API proves. Where notifications cannot tell, the estimate is too high by a known amount, which is written here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from app.config.load import Config
from app.core.count.meter import RecordState
from app.core.count.rules import EvidenceKind
from app.pipeline.count.intake import take
from app.simulator.model import User, Workspace
from app.simulator.versions import CURRENT, MIDDLE_SEEN, OLDEST_SEEN, Version
from app.simulator.world import World
from tests.conftest import RedisServer, make_config
from tests.exact.stage import Stage, on_stage
from tests.real.sources import SOURCES, name_of
from tests.real.test_payloads import BODIES, body_of


@dataclass(frozen=True)
class Row:
    """One scenario.

    Attributes:
        events: usage events that Coder writes, and so builds that the API proves.
        told: what the notifications of it should add to the estimate.
        play: what happens; gets what `before` made.
        over: how far the estimate exceeds `told`, because nothing in any notification tells.
        flagged: builds that v2.28 flags by their template though the task was gone; nothing there tells them apart.
        unheard: nobody but olivia hears of new workspaces, and she is not told of her own.
    """

    title: str
    events: int
    told: int
    play: Callable[[World, Workspace], object]
    before: Callable[[World], Workspace] | None = None
    over: int = 0
    unheard: bool = False
    flagged: int = 0


def ada(world: World) -> User:
    return world.user("ada")


def running(world: World) -> Workspace:
    return world.create_task(ada(world))


def for_ada(world: World) -> None:
    world.create_task(ada(world), initiator=world.user("olivia"))


def paused(world: World) -> Workspace:
    workspace = running(world)
    world.pause(workspace)
    # A day later, so that what happens next is told once more.
    world.advance_to(world.now + timedelta(days=1))
    return workspace


def resumed_today(world: World) -> Workspace:
    workspace = paused(world)
    world.resume(workspace)
    world.pause(workspace)
    return workspace


def never_started(world: World) -> Workspace:
    return world.create_task(ada(world), fails=True)


def left_over(world: World) -> Workspace:
    workspace = running(world)
    world.delete(workspace, fails=True)
    return workspace


def ordinary(world: World) -> Workspace:
    workspace = world.create_workspace(ada(world), world.template("go-backend"), why="work")
    world.stop(workspace)
    return workspace


def refused(world: World, workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="cannot resume"):
        world.resume(workspace)


def cancelled(world: World, *, running: bool) -> None:
    workspace = world.create_task(ada(world), unfinished=True)
    if running:
        world.run(workspace.latest)
    world.cancel(workspace.latest)


def short_lived(world: World) -> None:
    world.delete(world.create_task(world.user("olivia")))


CREATED = next(template for template in World(0).known_templates if template.name == "Workspace Created")
START_REASONS = ("cli", "dashboard", "initiator", "ssh_connection", "autostart")

ROWS = [
    Row("a task by a member", 1, 1, lambda world, _: running(world)),
    Row("a task by an owner", 1, 1, lambda world, _: world.create_task(world.user("olivia"))),
    Row("a task for another user", 1, 1, lambda world, _: for_ada(world)),
    Row("a pause", 0, 0, lambda world, one: world.pause(one), running),
    Row("the first resume of a day", 1, 1, lambda world, one: world.resume(one), paused),
    Row("the second resume of a day", 1, 0, lambda world, one: world.resume(one), resumed_today),
    Row("a resume of what runs", 0, 0, refused, running),
    *(
        Row(f"a start by {reason}", 1, 0, lambda world, one, reason=reason: world.start(one, reason=reason), paused)
        for reason in START_REASONS
    ),
    Row("a start of what runs", 1, 0, lambda world, one: world.start(one), running),
    Row("an update", 1, 0, lambda world, one: world.update(one), running),
    Row(
        "an autostart with an update",
        1,
        0,
        lambda world, one: world.start(one, reason="autostart", updates=True),
        paused,
    ),
    Row("a first start that fails", 0, 0, lambda world, _: never_started(world)),
    Row("a resume that fails", 0, 0, lambda world, one: world.resume(one, fails=True), paused),
    *(
        Row(
            f"a start by {reason} that fails",
            0,
            0,
            lambda world, one, reason=reason: world.start(one, reason=reason, fails=True),
            paused,
        )
        for reason in START_REASONS
    ),
    Row("a stop that fails after a resume", 1, 1, lambda world, one: (world.resume(one), world.stop(one, fails=True)),
        paused),
    Row("a first start that is cancelled while it runs", 0, 0, lambda world, _: cancelled(world, running=True)),
    Row("a first start that is cancelled while it is queued", 0, 0, lambda world, _: cancelled(world, running=False),
        over=1),
    Row("a pause of a task that never started", 0, 0, lambda world, one: world.pause(one), never_started, over=1),
    Row(
        "an ordinary workspace of an AI template",
        0,
        0,
        lambda world, _: world.create_workspace(ada(world), world.template("codex-tasks"), why="work"),
        over=1,
    ),
    Row("an ordinary workspace", 0, 0, lambda world, _: ordinary(world)),
    Row("a start of an ordinary workspace", 0, 0, lambda world, one: world.start(one), ordinary),
    Row("a deletion that fails", 0, 0, lambda world, one: world.delete(one, fails=True), running),
    Row("a task that nobody tells of, deleted at once", 1, 0, lambda world, _: short_lived(world), unheard=True),
    Row("a start of what is left of a deleted task", 0, 0, lambda world, one: world.start(one), left_over, flagged=1),
    *(
        Row(f"an agent that reports {it}", 0, 0, lambda world, one, it=it: world.report_status(one, it), running)
        for it in ("idle", "complete", "failure")
    ),
]  # fmt: skip
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)


def world_of(row: Row, version: Version = CURRENT) -> World:
    """Return a world in which ada follows her agents, and admins hear of new workspaces unless the row says no."""
    world = World(7, version=version)
    followed = [template.id for template in world.known_templates if template.group == "Task Events"]
    world.preferences[ada(world).id].update(dict.fromkeys(followed, False))
    for user in world.admins if row.unheard else ():
        world.preferences[user.id][CREATED.id] = user.username != "olivia"
    return world


def begin(stage: Stage, row: Row) -> Workspace:
    return (
        row.before(stage.world)
        if row.before
        else Workspace("", "", ada(stage.world), stage.world.templates[0], stage.world.now)
    )


@each_row
def test_notifications_alone_tell_of_each_scenario_what_they_should(
    connection: "redis.Redis", redis_server: RedisServer, row: Row
) -> None:
    alone = make_config(redis_server.url, ai_templates="claude-code-tasks,codex-tasks")
    with on_stage(connection, alone, world_of(row)) as stage:
        one = begin(stage, row)
        stage.tell()
        before, events = stage.usage().used, len(stage.world.usage)
        row.play(stage.world, one)
        stage.tell()
        assert len(stage.world.usage) - events == row.events
        assert stage.usage().used - before == row.told + row.over
        assert stage.records(RecordState.PROVED) == []


@each_row
@pytest.mark.parametrize("heard", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("version", [CURRENT, MIDDLE_SEEN, OLDEST_SEEN], ids=["2.31", "2.29", "2.28"])
def test_with_the_api_each_scenario_counts_as_coder_counts_it(
    connection: "redis.Redis", config: Config, row: Row, heard: bool, version: Version
) -> None:
    with on_stage(connection, config, world_of(row, version)) as stage:
        one = begin(stage, row)
        stage.tell()
        stage.look()
        before, events = stage.usage().used, len(stage.world.usage)
        row.play(stage.world, one)
        if heard:
            stage.tell()
        else:
            stage.forget()
        stage.world.pass_time(10)
        stage.look()
        assert len(stage.world.usage) - events == row.events
        flagged = row.flagged if version == OLDEST_SEEN else 0
        assert stage.usage().used - before == row.events + flagged
        if not flagged:
            stage.assert_exact()


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
@pytest.mark.parametrize("name", [name for name, (_, kind) in BODIES.items() if kind in {None, EvidenceKind.FAILED}])
def test_notifications_that_show_no_start_count_nothing(
    connection: "redis.Redis", redis_server: RedisServer, source: Path, name: str
) -> None:
    alone = make_config(redis_server.url, ai_templates="claude-code,agent-box")
    with on_stage(connection, alone) as stage, stage.now():
        take(stage.inbox, body_of(source, name), None)
        stage.drain()
        assert stage.inbox.stats()["accepted"] == 1
        assert stage.usage().used == 0
        assert stage.records() == []
