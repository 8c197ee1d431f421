"""Verify: notifications are hints, builds are proof, and asking Coder costs little."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from app.core.count.meter import RecordState
from app.pipeline.count.prove import verify_workspace
from app.simulator.model import Build, Workspace
from app.simulator.world import CONNECTIONS
from app.store import keys
from app.store.coder.state import Due
from app.store.count.search import find
from tests.exact.play import DEPLOYMENT
from tests.exact.stage import BUILDS, LISTING, WORKSPACE, Stage, again, licence, tasks, truth


def due(stage: Stage) -> dict[str, float]:
    rows = stage.connection.zrange(keys.due(DEPLOYMENT), 0, -1, withscores=True)
    return {member.decode(): score for member, score in rows}


def seconds_until_due(stage: Stage, workspace: Workspace) -> float:
    return round(due(stage)[workspace.id] - stage.world.now.timestamp(), 3)


def task(stage: Stage, *, unfinished: bool = False, fails: bool = False) -> Workspace:
    return stage.world.create_task(stage.world.user("ada"), unfinished=unfinished, fails=fails)


def test_a_storm_of_a_thousand_deliveries_for_one_workspace_costs_two_calls(stage: Stage) -> None:
    task(stage)
    [first, *_] = stage.outbox.collect()
    stage.server.count_from_here()
    stage.tell(*(again(first, f"storm-{n}") for n in range(1000)))
    stage.verify()
    assert stage.server.requests == {BUILDS: 1, WORKSPACE: 1}
    stage.assert_exact()


def test_a_storm_that_goes_on_while_coder_is_asked_costs_a_handful_of_calls(stage: Stage) -> None:
    task(stage)
    [first, *_] = stage.outbox.collect()
    stage.server.count_from_here()
    for part in range(10):
        stage.tell(*(again(first, f"storm-{part}-{n}") for n in range(20)))
        stage.server.meanwhile = lambda part=part: stage.tell(again(first, f"meanwhile-{part}"))
        stage.verify()
    assert stage.server.asked <= 30
    stage.assert_exact()
    assert due(stage) == {}


def test_a_delivery_costs_one_call_more_for_the_first_and_a_quiet_hour_none(stage: Stage) -> None:
    for _ in range(3):
        workspace = task(stage)
        stage.server.count_from_here()
        stage.tell()
        stage.verify()
        assert stage.server.requests == {BUILDS: 1, WORKSPACE: 1}
        stage.world.restart(workspace)
        stage.forget()
        with stage.now():
            stage.state.request_verification([workspace.id], stage.world.now.timestamp())
        stage.server.count_from_here()
        stage.verify()
        assert stage.server.requests == {BUILDS: 1}
        stage.world.report_status(workspace, "idle")
        stage.world.report_status(workspace, "working")
        stage.server.count_from_here()
        for message in stage.outbox.collect():
            stage.tell(message)
        stage.verify()
        assert stage.server.asked <= 1
        stage.server.count_from_here()
        stage.world.pass_time(60)
        stage.verify()
        assert stage.server.asked == 0
    stage.assert_exact()


def test_a_running_build_is_looked_at_again_later_and_later(stage: Stage) -> None:
    workspace = task(stage, unfinished=True)
    stage.tell()
    assert stage.usage().provisional == 1
    waits = []
    for _ in range(16):
        stage.verify()
        # The estimate is withdrawn: Coder says that the build goes on.
        assert stage.usage().used == 0
        wait = seconds_until_due(stage, workspace)
        waits.append(wait)
        stage.server.count_from_here()
        stage.world.advance_to(stage.world.now + timedelta(seconds=wait - 1))
        stage.verify()
        assert stage.server.asked == 0
        stage.world.advance_to(stage.world.now + timedelta(seconds=1.001))
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (10.0, 600.0)
    stage.world.finish(workspace.latest)
    stage.verify()
    assert due(stage) == {}
    stage.assert_exact()


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_build_that_failed_or_was_cancelled_takes_its_estimate_back(stage: Stage, end: str) -> None:
    workspace = task(stage, unfinished=True)
    stage.tell()
    assert (stage.usage().used, stage.hints()) == (1, 1)
    if end == "failed":
        stage.world.finish(workspace.latest, succeeded=False)
    else:
        stage.world.cancel(workspace.latest)
    stage.verify()
    assert (stage.usage().used, stage.records()) == (0, [])
    # What comes late about it brings nothing back for good.
    stage.tell()
    stage.verify()
    stage.assert_exact()


def test_a_resume_that_failed_leaves_the_builds_before_it(stage: Stage) -> None:
    workspace = task(stage)
    stage.world.pause(workspace)
    stage.world.resume(workspace, fails=True)
    stage.tell()
    stage.verify()
    assert stage.usage().used == 1
    # Coder has already told of one resume today, and does not tell of another.
    stage.world.resume(workspace)
    assert stage.tell() == []
    stage.look()
    assert stage.usage().used == 2
    stage.assert_exact()


def restart(stage: Stage) -> None:
    stage.world.restart(task(stage))


def connect_by(reason: str) -> Callable[[Stage], None]:
    def happen(stage: Stage) -> None:
        workspace = task(stage)
        stage.world.pause(workspace)
        stage.world.start(workspace, reason=reason)

    return happen


def claim(stage: Stage) -> None:
    prebuild = stage.world.create_prebuild(stage.world.templates[0])
    stage.world.claim(prebuild, stage.world.user("chen"))


def unclaimed(stage: Stage) -> None:
    stage.world.create_prebuild(stage.world.templates[0])
    task(stage)


def resume_twice(stage: Stage) -> None:
    workspace = task(stage)
    for _ in range(2):
        stage.world.pause(workspace)
        stage.world.resume(workspace)


def update(stage: Stage) -> None:
    stage.world.update(task(stage))


def leave_over(stage: Stage) -> None:
    workspace = task(stage)
    # Once its task is gone, no list of Coder's leads there any more.
    stage.look()
    stage.world.delete(workspace, fails=True)
    stage.world.stop(workspace)
    stage.world.start(workspace)


def use_without_task(stage: Stage) -> None:
    ada, template = stage.world.user("ada"), stage.world.templates[0]
    stage.world.create_workspace(ada, template, why="for people")
    task(stage)


CASES: dict[str, tuple[Callable[[Stage], None], int]] = {
    "a restart": (restart, 2),
    "a scheduled start": (connect_by("autostart"), 2),
    **{f"a start by {reason}": (connect_by(reason), 2) for reason in CONNECTIONS},
    "a claimed prebuild": (claim, 1),
    "a prebuild that nobody claimed": (unclaimed, 1),
    "two resumes a day, of which one is told": (resume_twice, 3),
    "an update": (update, 2),
    "a start of what is left over of a deleted task": (leave_over, 1),
    "a workspace of people from a template for tasks": (use_without_task, 1),
}


@pytest.mark.parametrize("told", [True, False], ids=["told", "lost"])
@pytest.mark.parametrize("case", CASES)
def test_whatever_starts_a_tasks_workspace_counts_once_and_nothing_else_does(
    stage: Stage, case: str, told: bool
) -> None:
    happen, expected = CASES[case]
    happen(stage)
    if told:
        stage.tell()
        stage.verify()
    else:
        stage.forget()
    stage.look()
    assert stage.usage().used == expected == len(truth(stage.world))
    stage.assert_exact()
    stage.look(full=True)
    stage.assert_exact()


def test_a_record_names_workspace_owner_template_and_organization(stage: Stage) -> None:
    workspace = stage.world.create_task(stage.world.user("chen"), stage.world.templates[1])
    stage.look()
    [record] = stage.records()
    assert (record.state, record.workspace_id) == (RecordState.PROVED, workspace.id)
    assert (record.workspace, record.owner) == (workspace.name, "chen")
    assert (record.template, record.organization) == ("codex-tasks", "coder")
    assert record.build_id == workspace.latest.id
    assert [one.key for one in find(stage.book, f"chen/{workspace.name}")] == [record.key]


def test_a_record_that_was_proved_before_any_listing_has_its_template_from_the_build(stage: Stage) -> None:
    stage.world.create_task(stage.world.user("chen"), stage.world.templates[1])
    stage.tell()
    stage.verify()
    assert [record.template for record in stage.records()] == ["codex-tasks"]


def test_each_delivery_is_named_by_the_build_that_it_tells_of(stage: Stage) -> None:
    world, told = stage.world, {}

    def hear(build: Build) -> None:
        world.pass_time(0.1)
        told[build.id] = {message.id for message in stage.tell()}

    workspace = task(stage, unfinished=True)
    hear(workspace.latest)
    world.finish(workspace.latest)
    for _ in range(3):
        world.pass_time(24 * 60)
        paused = world.pause(workspace)
        told[world.awbs[-1].id] |= {message.id for message in stage.tell()}
        world.pass_time(30)
        hear(world.resume(workspace, unfinished=True))
        world.finish(workspace.latest)
        assert paused.ended
    stage.verify()
    assert {record.build_id: set(record.deliveries) for record in stage.records()} == told
    stage.assert_exact()


def test_a_token_that_does_not_show_others_workspaces_leaves_them_estimates(stage: Stage) -> None:
    stage.see_as(stage.world.user("chen"))
    own = stage.world.create_task(stage.world.user("chen"))
    others = stage.world.create_task(stage.world.user("ada"))
    stage.tell()
    stage.verify()
    assert stage.usage().used == 2
    assert {record.workspace_id: record.state for record in stage.records()} == {
        own.id: RecordState.PROVED,
        others.id: RecordState.PROVISIONAL,
    }
    assert due(stage) == {}
    stage.look()
    assert (stage.usage().used, stage.hints()) == (2, 1)
    # With an owner's token it is proved after all.
    stage.see_as(stage.world.user("olivia"))
    stage.look()
    stage.assert_exact()


def test_estimates_that_cannot_be_proved_are_in_the_drift_like_any_other_build(stage: Stage) -> None:
    """They neither come into the history twice nor go out of it twice when Coder refreshes its number."""
    stage.world.licence = licence()
    stage.see_as(stage.world.user("chen"))
    for _ in range(20):
        for _ in range(2):
            stage.world.create_task(stage.world.user("ada"))
            stage.tell()
        stage.look()
        stage.world.pass_time(120)
    assert {point.drift for point in stage.state.drift()} == {0}
    assert "drift-2026-03-02" not in stage.notices()


def test_a_delivery_that_comes_while_coder_is_asked_is_not_lost(stage: Stage) -> None:
    """The answer on its way does not know of the resume; what is told of it must outlive the answer."""
    workspace = task(stage)
    stage.world.pass_time(24 * 60)
    stage.world.pause(workspace)
    stage.tell()
    mark = due(stage)[workspace.id]

    def resume() -> None:
        stage.world.resume(workspace)
        stage.tell()

    stage.server.meanwhile = resume
    with stage.now():
        verify_workspace(stage.state, stage.ledger, stage.api, Due(workspace.id, mark))
    assert stage.usage().used == 2
    assert stage.server.requests[BUILDS] == 2
    # And it stays due, for it was heard of meanwhile.
    assert workspace.id in due(stage)
    stage.verify()
    stage.assert_exact()


def test_a_delivery_that_shows_nothing_new_still_leads_to_another_look(stage: Stage) -> None:
    """The mark of what is due tells a second request from the first one, though the evidence is the same."""
    workspace = task(stage)
    stage.world.pause(workspace)
    messages = stage.tell()

    def start() -> None:
        # Nothing tells of this start. A report about the workspace is all that comes.
        stage.world.start(workspace, reason="ssh_connection")
        stage.tell(again(messages[0], "another-admin"))

    stage.server.meanwhile = start
    stage.verify()
    assert list(due(stage)) == [workspace.id]
    stage.verify()
    assert due(stage) == {}
    stage.assert_exact()


def test_a_workspace_that_changes_all_the_time_is_put_off_and_not_lost(stage: Stage) -> None:
    workspace = task(stage)
    [first, *_] = stage.tell()
    numbers = iter(range(1000))

    def change() -> None:
        stage.tell(again(first, f"another-{next(numbers)}"))
        if stage.server.requests[BUILDS] < 5:
            stage.server.meanwhile = change

    stage.server.meanwhile = change
    with stage.now():
        verify_workspace(stage.state, stage.ledger, stage.api, Due(workspace.id, due(stage)[workspace.id]))
    assert stage.server.requests[BUILDS] == 5
    assert (stage.usage().used, stage.hints()) == (1, 1)
    assert workspace.id in due(stage)
    stage.world.pass_time(1)
    stage.verify()
    stage.assert_exact()


def test_a_workspace_with_more_builds_than_a_page_is_read_whole_once_and_then_by_its_newest(stage: Stage) -> None:
    workspace = task(stage)
    for _ in range(60):
        stage.world.pause(workspace)
        stage.world.resume(workspace)
    stage.server.count_from_here()
    stage.look()
    assert stage.server.requests[BUILDS] == 3
    stage.assert_exact()
    stage.world.pause(workspace)
    stage.world.resume(workspace)
    stage.server.count_from_here()
    stage.look()
    assert stage.server.requests[BUILDS] == 1
    stage.assert_exact()


def test_old_payloads_that_only_name_a_workspace_lead_to_its_builds(stage: Stage) -> None:
    workspace = task(stage)
    [first, *_] = stage.outbox.collect()
    data = {"owner": {"name": "ada"}, "template": {"name": "claude-code-tasks"}}
    stage.tell(again(first, "old", targets=None, data=data))
    assert [record.workspace_id for record in stage.records()] == [f"name:ada/{workspace.name}"]
    stage.server.count_from_here()
    stage.verify()
    assert stage.server.requests == {LISTING: 1, BUILDS: 1}
    stage.assert_exact()


def test_workspaces_that_nobody_can_find_cost_one_call_each(stage: Stage) -> None:
    tasks(stage.world, 3)
    stage.see_as(stage.world.user("hugo"))
    stage.tell()
    stage.server.count_from_here()
    for _ in range(3):
        stage.world.pass_time(60)
        stage.verify()
    asked = {path: n for path, n in stage.server.requests.items() if n}
    assert asked[BUILDS] <= 3


@pytest.mark.parametrize("version", [(2, 28, 4), (2, 28, 11), (2, 29, 3)])
@pytest.mark.parametrize("told", [True, False], ids=["told", "found by a pass"])
def test_an_ordinary_workspace_of_an_ai_template_counts_in_no_version(
    stage: Stage, version: tuple[int, int, int], told: bool
) -> None:
    """These versions flag its builds as a task's, and keep the flags after an update."""
    stage.world.version = version
    ordinary = stage.world.create_workspace(stage.world.user("ada"), stage.world.templates[0], why="for people")
    for build in ordinary.builds:
        build.has_ai_task = True
    workspace = task(stage)
    if told:
        stage.tell()
        stage.verify()
    else:
        stage.forget()
    stage.look()
    assert [record.workspace_id for record in stage.records()] == [workspace.id]
    stage.world.version = (2, 31, 2)
    stage.look(full=True)
    assert [record.workspace_id for record in stage.records()] == [workspace.id]


def test_a_listing_that_leaves_the_task_out_withholds_no_build(stage: Stage) -> None:
    """As v2.28 does; the workspace itself names its task."""
    workspace = task(stage)
    stage.forget()
    stage.server.edits = {"/workspaces?": lambda answer: [w.update(task_id=None) for w in answer["workspaces"]]}
    stage.look()
    assert [record.workspace_id for record in stage.records()] == [workspace.id]
