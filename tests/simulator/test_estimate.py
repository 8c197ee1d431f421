"""Without an API token the meter's number is an estimate, the same whatever order deliveries come in.

It is too low where starts are announced to nobody, and too high in four cases, which this traffic does not have and
tests/exact/test_scenarios.py does.
"""

import random
from collections.abc import Sequence

import pytest

from app.config.places import packaged
from app.core.count.rules import Rule, load_rules
from app.simulator.estimate import Estimator
from app.simulator.notifications import Message, Outbox
from app.simulator.traffic import Traffic
from app.simulator.world import AI_TEMPLATES, World


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return load_rules(packaged("rules.toml").read_text(encoding="utf-8"), "rules.toml")


def estimate(rules: Sequence[Rule], messages: Sequence[Message]) -> Estimator:
    estimator = Estimator(rules, frozenset(AI_TEMPLATES))
    for message in messages:
        estimator.add(message.body)
    return estimator


def shuffled(messages: Sequence[Message], rng: random.Random) -> list[Message]:
    stream = [*messages, *rng.choices(messages, k=len(messages) // 4)]
    rng.shuffle(stream)
    return stream


@pytest.mark.parametrize("seed", range(50))
def test_any_order_and_duplication_gives_one_number_and_here_never_more_than_the_truth(
    seed: int, rules: Sequence[Rule]
) -> None:
    world = World(seed)
    outbox, traffic = Outbox(world), Traffic(world)
    for _ in range(150):
        traffic.step()
    messages = outbox.collect()
    rng = random.Random(seed)
    in_order = estimate(rules, messages)
    for _ in range(2):
        assert estimate(rules, shuffled(messages, rng)).total == in_order.total
    for workspace in world.workspaces:
        truth = sum(build.counts for build in workspace.builds)
        assert in_order.of_workspace(workspace.id) <= truth, workspace
    assert in_order.total >= len(world.awbs) / 2


def test_what_every_start_of_a_task_announces_is_counted_in_full(rules: Sequence[Rule]) -> None:
    world = World(1)
    outbox = Outbox(world)
    for _ in range(5):
        workspace = world.create_task(world.developers[0])
        world.pass_time(60)
        world.pause(workspace)
        world.resume(workspace)
    assert estimate(rules, outbox.collect()).total == len(world.awbs) == 10


def test_a_pause_proves_a_start_that_nobody_announced(rules: Sequence[Rule]) -> None:
    world = World(1)
    outbox = Outbox(world)
    workspace = world.create_task(world.developers[0])
    world.pause(workspace)
    world.start(workspace, reason="ssh_connection")
    assert estimate(rules, outbox.collect()).total == 1
    world.pause(workspace, by_timeout=True)
    assert estimate(rules, outbox.messages + outbox.collect()).total == len(world.awbs) == 2


def test_a_failed_resume_is_not_counted(rules: Sequence[Rule]) -> None:
    world = World(1)
    outbox = Outbox(world)
    workspace = world.create_task(world.developers[0])
    world.pause(workspace)
    world.resume(workspace, fails=True)
    assert estimate(rules, outbox.collect()).total <= len(world.awbs) == 1


def test_a_display_name_does_not_make_the_order_matter(rules: Sequence[Rule]) -> None:
    world = World(1, display_names=True)
    outbox = Outbox(world)
    workspace = world.create_task(world.developers[0])
    world.stop(workspace)
    world.start(workspace, fails=True)
    messages = outbox.collect()
    assert estimate(rules, messages).total == estimate(rules, messages[::-1]).total == len(world.awbs)
