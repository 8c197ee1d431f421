"""Counting: any order, any duplicates, any batches, and as many processes as there are: one set of books."""

import random
from collections.abc import Sequence

import pytest
import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.core.count.meter import AWB
from app.pipeline.count.count import count, recount
from app.simulator.estimate import Estimator
from app.simulator.notifications import Message, Outbox
from app.simulator.world import AI_TEMPLATES, World
from app.store.count.records import Records
from app.store.receive.inbox import Inbox
from app.store.store import Store
from tests.conftest import RedisServer
from tests.pipeline.streams import (
    DEPLOYMENT,
    batches,
    books,
    config_for,
    deliveries_of,
    levels,
    messages_of,
    resumes,
    run,
    used,
)

#: Shrinking streams of deliveries takes minutes; the seed that a failure prints is small enough.
_USUAL = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
pytestmark = pytest.mark.usefixtures("world_clock")


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    return redis_server.url


def expected(url: str, messages: Sequence[Message]) -> int:
    estimator = Estimator(config_for(url).rules, frozenset(AI_TEMPLATES))
    for message in messages:
        estimator.add(message.body)
    return estimator.total


@given(seed=st.integers(0, 10_000), order=st.randoms(use_true_random=False), largest=st.sampled_from([1, 7, 60]))
@settings(_USUAL, max_examples=25)
def test_any_order_duplication_and_batching_gives_the_same_books(
    connection: "redis.Redis", url: str, seed: int, order: random.Random, largest: int
) -> None:
    connection.flushall()
    config, messages = config_for(url), messages_of(seed, 60, display_names=seed % 2 == 0)
    deliveries = deliveries_of(messages)
    run(connection, config, deliveries)
    in_order = books(connection)
    assert used(connection) == expected(url, messages)
    connection.flushall()
    again = [*deliveries, *order.choices(deliveries, k=len(deliveries) // 3)]
    order.shuffle(again)
    for batch in batches(again, order, largest):
        run(connection, config, batch)
    assert books(connection) == in_order


@given(seed=st.integers(0, 10_000), luck=st.integers(0, 10_000))
@settings(_USUAL, max_examples=30)
def test_however_late_deliveries_arrive_the_number_is_the_same(
    connection: "redis.Redis", url: str, seed: int, luck: int
) -> None:
    connection.flushall()
    messages, delays = messages_of(seed, 60), random.Random(luck)
    late = [
        (name, one, at + delays.expovariate(1 / 3600), payload) for name, one, at, payload in deliveries_of(messages)
    ]
    late.sort(key=lambda delivery: delivery[2])
    for batch in batches(late, delays, 9):
        run(connection, config_for(url), batch)
    assert used(connection) == expected(url, messages)


@given(seed=st.integers(0, 10_000), order=st.randoms(use_true_random=False))
@settings(_USUAL, max_examples=12)
def test_in_any_order_the_same_thresholds_are_announced_once_each(
    connection: "redis.Redis", url: str, seed: int, order: random.Random
) -> None:
    config = config_for(url, slack_webhook_url="http://127.0.0.1:1/services/T/B/x", limit=10)
    deliveries = deliveries_of(messages_of(seed, 40, failures=False))
    found = []
    for _ in range(2):
        connection.flushall()
        for batch in batches(deliveries, order, 1):
            run(connection, config, batch)
        found.append(levels(connection))
        order.shuffle(deliveries)
    total = used(connection)
    reached = [75, 90, 100, *range(110, total * 10 + 1, 10)]
    assert found == [{f"{level}%": 1 for level in reached if total * 10 >= level}] * 2


def test_the_same_event_to_seven_admins_counts_once(connection: "redis.Redis", url: str) -> None:
    world = World(3)
    workspace = world.create_task(world.developers[0])
    [one, *_] = Outbox(world).collect()
    [(name, _, at, payload)] = deliveries_of([one])
    fan_out = [(name, f"m{n}", at + n, {**payload, "user_username": f"admin-{n}"}) for n in range(7)]
    for delivery in fan_out:
        run(connection, config_for(url), [delivery])
    [record] = Records(connection, DEPLOYMENT, AWB).of_workspace(workspace.id)
    assert record.deliveries == tuple(f"m{n}" for n in range(7))
    assert used(connection) == 1


def test_a_batch_and_its_repetition_report_what_changed(connection: "redis.Redis", url: str) -> None:
    config = config_for(url)
    assert count(connection, config, resumes(3)) == {(DEPLOYMENT, AWB)}
    assert used(connection) == 3
    assert count(connection, config, resumes(3)) == set()
    assert used(connection) == 3


def test_deployments_are_counted_apart(connection: "redis.Redis", url: str) -> None:
    both = [("staging", *rest) for _, *rest in resumes(2)] + resumes(3)
    assert count(connection, config_for(url), both) == {(DEPLOYMENT, AWB), ("staging", AWB)}
    assert used(connection) == 3


def test_every_delivery_gets_a_verdict_that_can_be_looked_up(connection: "redis.Redis", url: str) -> None:
    unknown = (DEPLOYMENT, "m-new", 5.0, {"notification_name": "Something New", "labels": {}})
    count(connection, config_for(url), [*resumes(1), unknown])
    inbox = Inbox(connection, DEPLOYMENT)
    outcomes = {one: inbox.delivery(one) for one in ("11111111-r0", "m-new")}
    assert outcomes["11111111-r0"]["verdict"]["outcome"] == "evidence"
    assert outcomes["m-new"]["verdict"]["outcome"] == "unknown"
    assert outcomes["m-new"]["payload"]["notification_name"] == "Something New"


@pytest.mark.parametrize("seed", range(4))
def test_a_recount_after_the_template_list_changed_is_as_if_it_had_always_been_so(
    connection: "redis.Redis", url: str, seed: int
) -> None:
    deliveries = deliveries_of(messages_of(seed, 80))
    run(connection, config_for(url), deliveries)
    listed = books(connection)
    connection.flushall()
    run(connection, config_for(url, ai_templates=""), deliveries)
    unlisted, fewer = books(connection), used(connection)
    change = recount(Store(connection, DEPLOYMENT), config_for(url))
    assert used(connection) - fewer == change > 0
    for part in ("units", "totals", "tops"):
        assert books(connection)[part] == listed[part]
    assert recount(Store(connection, DEPLOYMENT), config_for(url)) == 0
    assert recount(Store(connection, DEPLOYMENT), config_for(url, ai_templates="")) == -change
    for part in ("units", "totals", "tops"):
        assert books(connection)[part] == unlisted[part]
