"""The verdict on health, from vitals alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.core.finding import Result
from app.core.health.verdict import judge
from app.core.health.vitals import CoderVitals, Persistence, QueueVitals, RelayVitals, Vitals

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
WELL = Vitals(
    now=NOW,
    deployment="prod",
    queues=(QueueVitals(name="awb-deliveries", served=True),),
    swept_at=NOW - timedelta(seconds=30),
    receivers=("slack",),
    last_delivery=NOW - timedelta(hours=1),
)


def test_what_is_well_has_no_troubles() -> None:
    assert judge(WELL).result is Result.OK
    assert judge(WELL).troubles == []


def test_the_result_is_the_worst_and_the_worst_comes_first() -> None:
    found = judge(replace(WELL, quarantined=2, receivers=()))
    assert found.result is Result.ERROR
    assert [finding.check for finding in found.troubles] == ["receivers.configured", "input.quarantine"]


def test_of_an_absent_redis_nothing_else_is_said() -> None:
    found = judge(replace(WELL, redis="unreachable", receivers=()))
    assert [finding.check for finding in found.findings] == ["redis.reachable"]
    assert found.result is Result.ERROR


@pytest.mark.parametrize(
    ("queue", "check", "result"),
    [
        (QueueVitals(name="q", served=False), "workers.alive", Result.ERROR),
        (QueueVitals(name="q", served=False, waited_for=False), "workers.alive", Result.OK),
        (QueueVitals(name="q", served=True, failed=1), "jobs.failed", Result.WARNING),
        (QueueVitals(name="q", served=True, paused=True), "queues.paused", Result.WARNING),
        (QueueVitals(name="q", served=True, oldest_age=301.0), "jobs.waiting", Result.WARNING),
        (QueueVitals(name="q", served=True, oldest_age=299.0), "jobs.waiting", Result.OK),
        (QueueVitals(name="q", served=True, oldest_age=999.0, paused=True), "jobs.waiting", Result.OK),
    ],
)
def test_each_queue_is_judged_by_itself(queue: QueueVitals, check: str, result: Result) -> None:
    found = judge(replace(WELL, queues=(*WELL.queues, queue)))
    assert found.of(check, "q") is result
    assert found.of(check, "awb-deliveries") is Result.OK


@pytest.mark.parametrize(
    ("persistence", "result"),
    [
        (Persistence.ON, Result.OK),
        (Persistence.UNSEEN, Result.OK),
        (Persistence.OFF, Result.WARNING),
        (Persistence.FAILED, Result.ERROR),
    ],
)
def test_what_redis_writes_to_disk_is_judged(persistence: Persistence, result: Result) -> None:
    assert judge(replace(WELL, persistence=persistence)).of("redis.persistence") is result


@pytest.mark.parametrize(
    ("ago", "failing", "result"),
    [
        (timedelta(minutes=5), None, Result.OK),
        (timedelta(minutes=31), None, Result.WARNING),
        (None, None, Result.WARNING),
        (timedelta(minutes=5), NOW, Result.ERROR),
    ],
)
def test_coders_api_is_judged_by_its_answers_and_its_passes(
    ago: timedelta | None, failing: datetime | None, result: Result
) -> None:
    coder = CoderVitals(
        failing_since=failing,
        failure="refused",
        reconciled_at=NOW - ago if ago else None,
        every=timedelta(minutes=10),
    )
    assert judge(replace(WELL, coder=coder)).of("coder.api") is result


ILL_RELAYS = (
    RelayVitals(target="relay", summary="late", late=True),
    RelayVitals(target="forward:x", summary="bad", late=True, failing=True),
)


def test_a_relay_that_is_late_is_a_warning_and_one_that_fails_an_error() -> None:
    found = judge(replace(WELL, relays=(*ILL_RELAYS, RelayVitals(target="forward:y", summary="fine"))))
    assert [found.of("relays.working", one) for one in ("relay", "forward:x", "forward:y")] == [
        Result.WARNING, Result.ERROR, Result.OK,
    ]  # fmt: skip


def test_every_trouble_says_what_to_do() -> None:
    ill = replace(
        WELL, receivers=("slack",), failing_receivers={"slack": "404"}, overdue=3, relays=ILL_RELAYS, dry_run=True,
        quarantined=1, last_delivery=None, swept_at=None, queues=(QueueVitals(name="q", served=False, failed=1),),
    )  # fmt: skip
    assert all(finding.hint for finding in judge(ill).troubles)
    assert len(judge(ill).troubles) >= 8
