"""What must hold whatever Coder does: each test names the invariant that it checks."""

import random
from datetime import timedelta

import pytest
import redis

from app.config.load import Config
from app.core.count.meter import RecordState
from app.pipeline.count.intake import IntakeOutcome, take
from app.simulator.licence import Licence
from app.simulator.model import Workspace
from app.simulator.notifications import Message
from app.simulator.world import World
from tests.exact.stage import Stage, again, day, licence, on_stage, tasks


def task(stage: Stage, *, fails: bool = False) -> Workspace:
    return stage.world.create_task(stage.world.user("ada"), fails=fails)


def named(messages: list[Message], name: str) -> list[Message]:
    return [message for message in messages if message.name == name]


def test_invariant_the_same_message_twice_is_one_stored_event(stage: Stage) -> None:
    task(stage)
    [first, *_] = stage.outbox.collect()
    with stage.now():
        taken = [take(stage.inbox, first.body, first.id).outcome for _ in range(5)]
        stage.drain()
    assert taken == [IntakeOutcome.ACCEPTED, *[IntakeOutcome.DUPLICATE] * 4]
    assert stage.inbox.stats()["accepted"] == 1
    stage.verify()
    stage.assert_exact()


def test_invariant_the_same_event_for_three_recipients_is_three_stored_and_one_counted(stage: Stage) -> None:
    task(stage)
    messages = named(stage.tell(), "Workspace Created")
    assert len(messages) == 3
    assert stage.inbox.stats()["accepted"] == 3
    assert stage.usage().used == 1
    stage.verify()
    assert [set(record.deliveries) for record in stage.records()] == [{message.id for message in messages}]
    stage.assert_exact()


def test_invariant_two_resumes_with_ids_of_their_own_are_confirmed_by_builds(stage: Stage) -> None:
    workspace = task(stage)
    stage.tell()
    for _ in range(2):
        stage.world.advance_to(stage.world.now + timedelta(days=1))
        stage.world.pause(workspace)
        stage.world.resume(workspace)
        stage.tell()
    # A third one is told whose build there never was.
    [resumed] = [one for one in stage.outbox.messages if one.name == "Task Resumed"][-1:]
    stage.tell(again(resumed, "one-more"))
    assert stage.usage().used == 4
    stage.verify()
    assert stage.usage().used == 3
    stage.assert_exact()


def test_invariant_a_second_resume_of_a_day_that_nobody_tells_of_is_counted(stage: Stage) -> None:
    workspace = task(stage)
    for _ in range(2):
        stage.world.pause(workspace)
        stage.world.resume(workspace)
    assert len(named(stage.tell(), "Task Resumed")) == 1
    stage.look()
    assert stage.usage().used == 3
    stage.assert_exact()


def test_invariant_created_and_then_build_1_failed_is_no_build(stage: Stage) -> None:
    task(stage, fails=True)
    messages = stage.tell()
    assert named(messages, "Workspace Created")
    assert named(messages, "Workspace Manual Build Failed")
    assert stage.usage().used == 0
    stage.look()
    assert stage.usage().used == 0
    stage.assert_exact()


def test_invariant_a_workspace_of_an_ordinary_template_is_no_build(stage: Stage) -> None:
    ada, template = stage.world.user("ada"), stage.world.template("go-backend")
    stage.world.create_workspace(ada, template, why="for people")
    stage.tell()
    assert stage.usage().used == 0
    stage.look()
    stage.assert_exact()


def test_invariant_usage_equal_to_the_limit_is_exceeded(stage: Stage) -> None:
    stage.world.licence = licence(5)
    tasks(stage.world, 4)
    stage.look()
    assert stage.warn() == [("first", "75%")]
    tasks(stage.world, 1)
    stage.look()
    assert stage.warn() == [("escalated", "100%")]


@pytest.mark.parametrize("without", [licence(0), licence(7, enabled=False)], ids=["limit zero", "not enabled"])
def test_invariant_limit_zero_or_not_enabled_is_not_entitled(stage: Stage, without: Licence) -> None:
    stage.world.licence = without
    stage.look()
    assert stage.usage().limit.count == 0
    assert stage.notices() == ["not-entitled"]


def test_invariant_a_renewed_licence_lets_the_number_drop_and_resets_the_alert(stage: Stage) -> None:
    stage.world.licence = licence(5, day(0), day(9))
    tasks(stage.world, 6)
    stage.world.pass_time(10)
    stage.look()
    assert stage.warn() == [("first", "120%")]
    stage.world.advance_to(day(9))
    stage.world.licence = licence(5, day(9))
    stage.look()
    assert (stage.usage().coder_actual, stage.usage().used) == (0, 0)
    assert stage.warn() == [("summary", "")]
    tasks(stage.world, 5)
    stage.look()
    assert stage.warn() == [("first", "100%")]


def days_of_drift(stage: Stage, hidden_a_day: int) -> list[list[str]]:
    """Let Coder count what nobody sees, each day so many, beside what everybody sees."""
    said = []
    for n in range(1, 10):
        stage.world.advance_to(day(n, 9))
        tasks(stage.world, 2)
        stage.tell()
        for _ in range(hidden_a_day):
            stage.world._tally()
        stage.world.pass_time(10)
        stage.look()
        said.append(stage.notices())
    return said


def test_invariant_a_constant_offset_from_coders_number_is_allowed(stage: Stage) -> None:
    stage.world.licence = licence()
    for _ in range(40):
        stage.world._tally()
    assert days_of_drift(stage, 0) == [[]] * 9
    assert stage.usage().drift == -40


def test_invariant_a_growing_offset_from_coders_number_is_not_allowed(stage: Stage) -> None:
    stage.world.licence = licence()
    said = days_of_drift(stage, 1)
    # Five within a week, beginning with the first day.
    assert [n for n, keys in enumerate(said) if keys] == [5]
    assert said[5] == ["drift-2026-03-02"]


def test_invariant_a_refresh_that_lags_is_no_drift(stage: Stage) -> None:
    stage.world.licence = licence()
    for _ in range(60):
        tasks(stage.world, 3)
        stage.tell()
        stage.look()
        assert stage.usage().drift == 0
        assert stage.usage().used == len(stage.world.awbs)
        stage.world.pass_time(3)
    assert {point.drift for point in stage.state.drift()} == {0}


@pytest.mark.parametrize("seed", range(3))
def test_invariant_a_burst_after_a_pause_in_any_order_counts_each_build_once(
    connection: "redis.Redis", config: Config, seed: int
) -> None:
    rng = random.Random(seed)
    with on_stage(connection, config, World(seed)) as stage:
        for workspace in tasks(stage.world, 12):
            if rng.random() < 0.6:
                stage.world.pause(workspace)
                stage.world.resume(workspace, fails=rng.random() < 0.2)
        messages = stage.outbox.collect()
        rng.shuffle(messages)
        while messages:
            batch, messages = messages[:20], messages[20:]
            stage.tell(*batch, *rng.sample(batch, len(batch) // 2))
            if rng.random() < 0.5:
                stage.verify()
        stage.verify()
        stage.assert_exact()
        assert all(record.state is RecordState.PROVED for record in stage.records())
