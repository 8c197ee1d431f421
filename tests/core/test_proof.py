"""Proof: which builds of a workspace become records, and what the records say."""

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.coder.shapes import Build
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.core.count.proof import PROVED_RULE, ended_prefix, proved_records
from app.core.count.rules import EvidenceKind
from tests.core.make import WORKSPACE, event, verdict

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def build(number: int, transition: str = "start", status: str = "succeeded", **more: Any) -> Build:
    """Return a build that begins on the hour of its number after noon and takes half a minute."""
    begun = NOON + timedelta(hours=number)
    ended = begun + timedelta(seconds=30) if status in ("succeeded", "failed", "canceled") else None
    metadata = {"template_name": "claude-tasks"}
    given = {
        "id": f"b{number}",
        "build_number": number,
        "transition": transition,
        "reason": "task_resume",
        "workspace_id": WORKSPACE,
        "workspace_name": "old-prototype",
        "workspace_owner_name": "Ada",
        "has_ai_task": status == "succeeded",
        "created_at": begun,
        "job": {"status": status, "completed_at": ended, "metadata": metadata},
    }
    return Build.model_validate({**given, **more})


def told(*deliveries: tuple[EvidenceKind, str, float]) -> Evidence:
    """Return evidence of deliveries: kind, message id, and hours after noon."""
    known = Evidence()
    for kind, message_id, hours in deliveries:
        at = (NOON + timedelta(hours=hours)).timestamp()
        known = known.with_event(event(message_id, at), verdict(kind))
    return known


def prove(builds: Sequence[Build], evidence: Evidence | None = None, **names: str) -> tuple[UsageRecord, ...]:
    return proved_records(builds, evidence or Evidence(), names)


def numbers(builds: Sequence[Build]) -> list[int]:
    return [one.build_number for one in builds]


@pytest.mark.parametrize("status", ["pending", "running", "canceling", "unknown", "of the future"])
def test_nothing_from_the_first_unfinished_build_on_is_settled(status: str) -> None:
    builds = [build(1), build(2, "stop"), build(3, status=status), build(4)]
    random.Random(status).shuffle(builds)
    assert numbers(ended_prefix(builds)) == [1, 2]


def test_builds_that_failed_or_were_cancelled_are_settled() -> None:
    builds = [build(1, status="failed"), build(2, status="canceled"), build(3)]
    for order in itertools.permutations(builds):
        assert numbers(ended_prefix(order)) == [1, 2, 3]
    assert ended_prefix([]) == []


def test_each_start_of_a_task_that_succeeded_is_one_record() -> None:
    builds = [
        build(1, has_ai_task=False),
        build(2),
        build(3, "stop"),
        build(4, status="failed"),
        build(5, status="canceled"),
        build(6, reason="ssh_connection"),
        build(7, "delete", has_ai_task=False),
    ]
    assert [record.key for record in prove(builds)] == ["build:b2", "build:b6"]


def test_a_record_tells_what_was_proved_and_when_the_build_ended() -> None:
    [record] = prove([build(3)], template="Claude", organization="platform")
    assert record == UsageRecord(
        key="build:b3",
        meter=AWB,
        state=RecordState.PROVED,
        at=(NOON + timedelta(hours=3, seconds=30)).timestamp(),
        workspace_id=WORKSPACE,
        workspace="old-prototype",
        owner="ada",
        template="Claude",
        organization="platform",
        rule=PROVED_RULE,
        reason="Coder's API shows build 3 (task_resume): "
        "a start that succeeded while the workspace belonged to a task.",
        deliveries=(),
        build_id="b3",
    )


def test_a_start_that_does_not_tell_when_it_ended_is_no_record() -> None:
    assert prove([build(1, job={"status": "succeeded", "completed_at": None})]) == ()


def test_names_come_from_the_listing_then_from_the_build_then_from_deliveries() -> None:
    evidence = told((EvidenceKind.CREATED, "m1", 1))
    bare = build(1, workspace_name="", workspace_owner_name="", job={**build(1).job.model_dump(), "metadata": {}})
    [from_deliveries] = prove([bare], evidence)
    assert (from_deliveries.workspace, from_deliveries.owner) == ("old-prototype", "ada")
    assert from_deliveries.template == "claude-tasks"
    [from_build] = prove([build(1, workspace_name="renamed")], evidence)
    assert from_build.workspace == "renamed"
    [from_listing] = prove([build(1)], evidence, template="of-the-listing")
    assert from_listing.template == "of-the-listing"


def test_a_delivery_is_named_by_the_build_that_it_came_after() -> None:
    starts = [build(1), build(3), build(5)]
    evidence = told(
        (EvidenceKind.CREATED, "created", 1.002),
        (EvidenceKind.TASK_SEEN, "idle", 1.5),
        (EvidenceKind.PAUSED, "paused", 2),
        (EvidenceKind.RESUMED, "resumed", 3.001),
        # Told again after a failed attempt, when the build had long ended.
        (EvidenceKind.RESUMED, "late", 5.2),
    )
    named = {record.build_id: record.deliveries for record in prove(starts, evidence)}
    assert named == {"b1": ("created", "idle", "paused"), "b3": ("resumed",), "b5": ("late",)}


def test_a_delivery_that_came_before_every_build_is_named_by_the_first() -> None:
    evidence = told((EvidenceKind.CREATED, "early", 0), (EvidenceKind.RESUMED, "later", 4))
    named = {record.build_id: record.deliveries for record in prove([build(2), build(3)], evidence)}
    assert named == {"b2": ("early",), "b3": ("later",)}


def test_a_delivery_is_not_named_by_a_build_that_does_not_count() -> None:
    builds = [build(1), build(2, "stop"), build(3, status="failed"), build(4, "delete")]
    evidence = told((EvidenceKind.RESUMED, "of the failed start", 3.001))
    assert [record.deliveries for record in prove(builds, evidence)] == [("of the failed start",)]


def test_of_very_many_deliveries_the_first_twenty_are_named() -> None:
    evidence = told(*((EvidenceKind.PAUSED, f"m{n:02}", 1 + n / 1000) for n in range(50)))
    [record] = prove([build(1)], evidence)
    assert record.deliveries == tuple(f"m{n:02}" for n in range(20))


def test_records_do_not_depend_on_what_was_settled_before() -> None:
    builds = [build(1), build(2, "stop"), build(3), build(4, "stop"), build(5)]
    parts = [*prove(builds[:2]), *prove(builds[2:3]), *prove(builds[3:])]
    assert tuple(parts) == prove(builds)
