"""Folding: of a long history numbers are kept, and the estimate is what it would be if everything had been."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from app.core.count.estimate import KEPT, fold, provisional_records, record_number
from app.core.count.evidence import Evidence, Folded
from app.core.count.meter import AWB, UsageRecord
from app.core.count.rules import EvidenceKind
from tests.core.make import AI_TEMPLATES, WORKSPACE, event, verdict

C, R, P, S, F = (
    EvidenceKind.CREATED,
    EvidenceKind.RESUMED,
    EvidenceKind.PAUSED,
    EvidenceKind.TASK_SEEN,
    EvidenceKind.FAILED,
)
#: kind, message, arrival, number of the build
Step = tuple[EvidenceKind, str, float, int | None]


def records_of(evidence: Evidence) -> tuple[UsageRecord, ...]:
    return provisional_records(evidence, AWB, WORKSPACE, AI_TEMPLATES, str)


def joined(evidence: Evidence, step: Step) -> Evidence:
    kind, message, at, build = step
    return evidence.with_event(event(message, at, build), verdict(kind))


@dataclass
class Bounded:
    """What the ledger does, with a dict for its records."""

    keep: int = KEPT
    evidence: Evidence = field(default_factory=Evidence)
    folded: set[str] = field(default_factory=set)
    stored: dict[int, UsageRecord] = field(default_factory=dict)

    def take(self, *steps: Step) -> None:
        after = self.evidence
        for step in steps:
            if step[1] not in self.folded:
                after = joined(after, step)
        records = records_of(after)
        self.evidence, messages = fold(after, records, self.keep)
        self.folded |= messages
        self.stored |= {record_number(record.key): record for record in records}
        last = max(self.evidence.base.records, *(record_number(record.key) for record in records), 0)
        self.stored = {number: record for number, record in self.stored.items() if number <= last}


def unbounded(steps: list[Step]) -> tuple[UsageRecord, ...]:
    known = Evidence()
    for step in steps:
        known = joined(known, step)
    return records_of(known)


def a_step(drawn: tuple[EvidenceKind, int]) -> Step:
    """A message has one kind, one build and one arrival, however often it comes."""
    kind, number = drawn
    return kind, f"{kind}-{number}", float(number * 7 % 61), None if number % 3 else number % 4


STEPS = st.lists(
    st.tuples(st.sampled_from([C, R, R, R, P, P, P, S, F, F]), st.integers(0, 60)).map(a_step), max_size=120
)


@given(STEPS, st.integers(1, 4), st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_any_stream_in_any_order_with_any_duplicates_gives_the_unbounded_estimate(
    steps: list[Step], keep: int, sizes: list[int]
) -> None:
    bounded, done, turn = Bounded(keep), 0, 0
    while done < len(steps):
        size = sizes[turn % len(sizes)]
        bounded.take(*steps[done : done + size])
        done, turn = done + size, turn + 1
        assert sorted(bounded.stored) == list(range(1, len(unbounded(steps[:done])) + 1))
        known = bounded.evidence
        assert max(len(known.resumed), len(known.paused), len(known.failed_resumes)) <= keep


@given(STEPS, st.data())
def test_what_comes_again_after_it_was_folded_changes_nothing(steps: list[Step], data: st.DataObject) -> None:
    bounded = Bounded(2)
    bounded.take(*steps)
    before = bounded.evidence, dict(bounded.stored)
    bounded.take(*(data.draw(st.permutations(steps)) if steps else ()))
    assert (bounded.evidence, bounded.stored) == before


@given(st.booleans(), st.integers(0, 12), st.integers(1, 4))
def test_in_the_usual_order_the_records_are_those_of_the_unbounded_estimate(
    created: bool, rounds: int, keep: int
) -> None:
    steps: list[Step] = [(C, "c", 0.0, None)] if created else []
    steps += [(R, f"r{n}", 10.0 + n, None) for n in range(rounds)]
    bounded = Bounded(keep)
    for step in steps:
        bounded.take(step)
    assert [bounded.stored[number] for number in sorted(bounded.stored)] == list(unbounded(steps))


def test_the_cost_of_a_delivery_does_not_grow_with_what_came_before() -> None:
    bounded = Bounded()
    sizes = []
    for n in range(400):
        bounded.take((R, f"r{n}", float(n), None))
        sizes.append((len(str(bounded.evidence.as_json())), len(records_of(bounded.evidence))))
    assert len(bounded.stored) == 400
    assert sizes[-1] == sizes[199]
    assert records_of(bounded.evidence)[0].key == f"hint:{WORKSPACE}:{400 - KEPT + 1}"
    assert bounded.evidence.base == Folded(resumed=400 - KEPT, records=400 - KEPT)


def test_a_late_failure_takes_back_one_of_the_newest_starts() -> None:
    bounded = Bounded(3)
    for n in range(10):
        bounded.take((R, f"r{n}", float(n), None))
    bounded.take((F, "f", 11.0, None))
    assert [bounded.stored[number].deliveries for number in sorted(bounded.stored)][-2:] == [("r7",), ("r8",)]


def test_a_creation_that_outlives_its_failed_resumes_keeps_its_record() -> None:
    steps: list[Step] = [(C, "c", 0.0, None)]
    steps += [(R, f"r{n}", 10.0 + n, None) for n in range(3)] + [(F, f"f{n}", 20.0 + n, None) for n in range(3)]
    bounded = Bounded(2)
    bounded.take(*steps)
    bounded.take(*reversed(steps))
    assert [record.deliveries for record in bounded.stored.values()] == [("c",)]


def test_a_creation_that_arrives_late_counts_once() -> None:
    bounded = Bounded(2)
    for n in range(6):
        bounded.take((R, f"r{n}", 10.0 + n, None))
    bounded.take((C, "c", 0.0, None))
    bounded.take((C, "c2", 1.0, None))
    assert len(bounded.stored) == 7
    told = [message for record in bounded.stored.values() for message in record.deliveries]
    assert sorted(told) == ["c", "c2", "r0", "r1", "r2", "r3", "r4", "r5"]


def test_folded_numbers_survive_the_store_and_read_what_another_version_wrote() -> None:
    folded = Folded(7, 5, 1, 8, created=True)
    assert Folded.from_json('{"resumed":7,"paused":5,"failed_resumes":1,"records":8,"created":true,"new":1}') == folded
    assert Folded.from_json('{"resumed":7}') == Folded(resumed=7)
