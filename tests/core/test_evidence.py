import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.count.delivery import Event
from app.core.count.estimate import provisional_records
from app.core.count.evidence import Evidence
from app.core.count.meter import AWB, RecordState, UsageRecord
from app.core.count.rules import EvidenceKind
from tests.core.make import AI_TEMPLATES, WORKSPACE, event, event_of, evidence_of, verdict

C, R, P, S, F = (
    EvidenceKind.CREATED,
    EvidenceKind.RESUMED,
    EvidenceKind.PAUSED,
    EvidenceKind.TASK_SEEN,
    EvidenceKind.FAILED,
)


def records_of(evidence: Evidence, ai_templates: frozenset[str] = AI_TEMPLATES) -> tuple[UsageRecord, ...]:
    return provisional_records(evidence, AWB, WORKSPACE, ai_templates, lambda rule: f"reason of {rule}")


def steps(story: str, template: str = "claude-tasks") -> list[tuple[EvidenceKind, Event]]:
    """Read a story such as `C R P F1`: one event each, a minute apart."""
    told = []
    for minute, word in enumerate(story.split()):
        kind = {"C": C, "R": R, "P": P, "S": S, "F": F}[word[0]]
        build = int(word[1:]) if word[1:] else None
        told.append((kind, event(f"m{minute:02}", 1000.0 + 60 * minute, build, template)))
    return told


@pytest.mark.parametrize(
    ("story", "count", "rule"),
    [
        ("", 0, None),
        ("C", 1, "rule-created"),
        ("C C C C C C C", 1, "rule-created"),
        ("C F1", 0, None),
        ("F1 C", 0, None),
        ("C F1 F1", 0, None),
        ("C F2", 1, "rule-created"),
        ("F1", 0, None),
        ("F", 0, None),
        ("C F", 1, "rule-created"),
        ("F C", 1, "rule-created"),
        ("C F1 R", 1, "rule-resumed"),
        ("C F1 R F", 0, None),
        ("C R F F", 1, "rule-created"),
        ("R F R", 1, "rule-resumed"),
        ("C R R F F2 F3", 2, "rule-created"),
        ("R", 1, "rule-resumed"),
        ("R R", 2, "rule-resumed"),
        ("C R", 2, "rule-created"),
        ("C R R", 3, "rule-created"),
        ("C R F2", 2, "rule-created"),
        ("C R F", 1, "rule-created"),
        ("C R F F2 F3", 1, "rule-created"),
        ("C R R F3 F3", 3, "rule-created"),
        ("C R R F F", 1, "rule-created"),
        ("C R F F F", 1, "rule-created"),
        ("C R R F3 F5", 3, "rule-created"),
        ("C R F2 F3 F4", 2, "rule-created"),
        ("R F1", 1, "rule-resumed"),
        ("R F2", 1, "rule-resumed"),
        ("R F", 0, None),
        ("C R F1", 1, "rule-resumed"),
        ("P", 1, "rule-paused"),
        ("P P", 2, "rule-paused"),
        ("C P", 1, "rule-created"),
        ("C P P", 2, "rule-paused"),
        ("C P R", 2, "rule-created"),
        ("C P R P", 2, "rule-created"),
        ("P R P", 2, "rule-paused"),
        ("C F1 P", 1, "rule-paused"),
        ("R F P", 1, "rule-paused"),
        ("S", 1, "rule-task_seen"),
        ("S S S S", 1, "rule-task_seen"),
        ("C S S", 1, "rule-created"),
        ("R S", 1, "rule-resumed"),
        ("P S", 1, "rule-paused"),
        ("C F1 S", 1, "rule-task_seen"),
        ("R F S", 1, "rule-task_seen"),
        ("C R P P P S F", 3, "rule-paused"),
        ("C R P P P S F2", 3, "rule-paused"),
    ],
)
def test_the_count_follows_from_what_was_seen(story: str, count: int, rule: str | None) -> None:
    records = records_of(evidence_of(*steps(story)))
    assert len(records) == count
    assert (records[0].rule if records else None) == rule


@pytest.mark.parametrize(
    ("story", "count"),
    [("C", 0), ("C C", 0), ("C F2", 0), ("F1", 0), ("C S", 1), ("C P", 1), ("C R", 2), ("R", 1), ("C F1 S", 1)],
)
def test_without_an_ai_template_only_a_tasks_own_notification_makes_a_workspace_count(story: str, count: int) -> None:
    assert len(records_of(evidence_of(*steps(story, "ubuntu-dev")))) == count


def test_a_workspace_of_which_nothing_is_known_does_not_count() -> None:
    assert records_of(Evidence()) == ()
    assert records_of(evidence_of((C, event_of({"labels": {"workspace": "w"}})))) == ()


@pytest.mark.parametrize("listed", ["claude-tasks", "0d5a7a1e-0000-4000-8000-00000000000a"])
def test_a_template_is_listed_by_its_name_or_by_its_id(listed: str) -> None:
    template = {"name": "Claude-Tasks", "id": "0D5A7A1E-0000-4000-8000-00000000000A"}
    created = event_of({"data": {"workspace": {"name": "w"}, "template": template}, "targets": [WORKSPACE]})
    assert len(records_of(evidence_of((C, created)), frozenset({listed}))) == 1
    assert records_of(evidence_of((C, created)), frozenset({"other"})) == ()


@pytest.mark.parametrize("data", [None, [], {"template": None}, {"template": {"id": 7}}])
def test_a_payload_without_a_template_id_lists_nothing(data: object) -> None:
    created = event_of({"data": data, "labels": {"workspace": "w"}})
    assert records_of(evidence_of((C, created)), frozenset({"x"})) == ()


def test_the_nil_uuid_of_a_template_is_no_id() -> None:
    nil = "00000000-0000-0000-0000-000000000000"
    created = event_of({"data": {"template": {"id": nil}}, "labels": {"workspace": "w"}})
    assert records_of(evidence_of((C, created)), frozenset({nil})) == ()


def test_the_same_event_sent_to_seven_admins_counts_once_and_names_all_seven() -> None:
    sent = [(C, event(f"to-admin-{n}", 1000.0 + n)) for n in range(7)]
    (record,) = records_of(evidence_of(*sent))
    assert record.deliveries == tuple(f"to-admin-{n}" for n in range(7))
    assert record.at == 1000.0


def test_the_same_delivery_twice_changes_nothing() -> None:
    once = evidence_of(*steps("C R P S F2"))
    assert evidence_of(*steps("C R P S F2"), *steps("C R P S F2")) == once


def test_a_delivery_that_came_twice_stands_at_its_first_arrival() -> None:
    late, early = event("m1", 2000.0), event("m1", 1000.0)
    assert evidence_of((R, late), (R, early)) == evidence_of((R, early), (R, late)) == evidence_of((R, early))


def test_a_failed_build_reported_twice_is_one_failed_build_reported_first_by_the_earlier() -> None:
    early, late = event("a", 1.0, 1), event("b", 2.0, 1)
    assert evidence_of((F, late), (F, early)) == evidence_of((F, early), (F, late))
    assert evidence_of((F, late), (F, early)).failed["1"].message_id == "a"


def test_a_failed_stop_that_an_earlier_version_stored_takes_nothing_back() -> None:
    stored = evidence_of(*steps("C R")).as_json()
    stored["F"] = {"2": [0, "workspace-manual-build-failed"]}
    assert len(records_of(Evidence.from_json(json.dumps(stored)))) == 2


def test_a_record_says_what_when_whose_and_why() -> None:
    created, resumed = event("m1", 1000.0, organization="research"), event("m2", 2000.0)
    first, second = records_of(evidence_of((C, created), (R, resumed)))
    assert first == UsageRecord(
        key=f"hint:{WORKSPACE}:1",
        meter=AWB,
        state=RecordState.PROVISIONAL,
        at=1000.0,
        workspace_id=WORKSPACE,
        workspace="old-prototype",
        owner="ada",
        template="claude-tasks",
        organization="research",
        rule="rule-created",
        reason="reason of rule-created",
        deliveries=("m1",),
    )
    assert (second.key, second.at, second.deliveries) == (f"hint:{WORKSPACE}:2", 2000.0, ("m2",))


def test_the_latest_resumes_are_taken_back_for_failed_resumes() -> None:
    assert [r.deliveries for r in records_of(evidence_of(*steps("R R R F F2 F4")))] == [("m00",), ("m01",)]


def test_the_greatest_weight_of_the_rules_holds() -> None:
    known = Evidence().with_event(event("a"), verdict(R, weight=3)).with_event(event("b"), verdict(R, weight=2))
    assert [record.weight for record in records_of(known)] == [3, 3]


def test_only_the_first_creations_and_the_first_status_are_named_but_every_resume_is_kept() -> None:
    known = evidence_of(*((kind, event(f"{kind}-{n:03}", float(n))) for n in range(50) for kind in (C, S, R, P)))
    assert [len(found) for found in (known.created, known.seen, known.resumed, known.paused)] == [20, 1, 50, 50]
    assert known.created[-1].message_id == "created-019"
    assert len(records_of(known)) == 51


EVENTS = st.lists(
    st.builds(
        lambda kind, number, at, build, template: (kind, event(f"m{number}", float(at), build, template)),
        st.sampled_from([C, R, P, S, F]),
        st.integers(0, 40),
        st.integers(0, 30),
        st.none() | st.integers(1, 4),
        st.sampled_from(["claude-tasks", "renamed", ""]),
    ),
    max_size=40,
)


@given(EVENTS, st.data())
def test_order_and_repetition_change_neither_evidence_nor_records(
    told: list[tuple[EvidenceKind, Event]], data: st.DataObject
) -> None:
    repeated = told + data.draw(st.lists(st.sampled_from(told), max_size=15)) if told else told
    shuffled = data.draw(st.permutations(repeated))
    assert evidence_of(*shuffled) == evidence_of(*told)
    assert records_of(evidence_of(*shuffled)) == records_of(evidence_of(*told))
    assert json.dumps(evidence_of(*shuffled).as_json()) == json.dumps(evidence_of(*told).as_json())


@given(st.permutations(range(30)))
def test_which_sightings_are_kept_does_not_depend_on_their_order(order: list[int]) -> None:
    known = evidence_of(*((C, event(f"m{n:02}", float(n % 7))) for n in order))
    assert known == evidence_of(*((C, event(f"m{n:02}", float(n % 7))) for n in range(30)))


def test_every_order_of_a_short_story_gives_the_same_records() -> None:
    told = steps("C R P F2 S")
    assert len({records_of(evidence_of(*order)) for order in permutations(told)}) == 1


@given(EVENTS)
def test_evidence_survives_the_store(told: list[tuple[EvidenceKind, Event]]) -> None:
    known = evidence_of(*told)
    assert Evidence.from_json(json.dumps(known.as_json())) == known


def test_nothing_stored_is_no_evidence() -> None:
    assert Evidence.from_json("{}") == Evidence()


@given(EVENTS)
def test_more_evidence_of_starts_never_lowers_the_count(told: list[tuple[EvidenceKind, Event]]) -> None:
    before = len(records_of(evidence_of(*told)))
    for kind in (C, R, P, S):
        assert len(records_of(evidence_of(*told, (kind, event("one-more", 99.0))))) >= before
