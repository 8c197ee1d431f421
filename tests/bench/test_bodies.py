"""What the bench posts are deliveries that the meter reads, and `units` tells what it makes of them."""

from collections import defaultdict

import pytest

from app.config.places import packaged
from app.core.count.conditions import Facts
from app.core.count.delivery import read_delivery, to_event
from app.core.count.estimate import provisional_records
from app.core.count.evidence import Evidence
from app.core.count.rules import Outcome, classify, load_rules
from bench.bodies import STORY, TEMPLATE, created, stories, units

LISTED = frozenset({TEMPLATE})
RULES = load_rules(packaged("rules.toml").read_text(), "rules.toml")


def counted(number: int) -> int:
    known: dict[str, Evidence] = defaultdict(Evidence)
    for at, sample in enumerate(stories(number, "0000abcd")):
        delivery = read_delivery(sample.body)
        assert delivery.message_id == sample.message_id
        event = to_event("default", delivery.message_id, float(at), delivery.payload)
        verdict = classify(event, RULES, Facts({"ai_templates": LISTED}))
        assert verdict.outcome is not Outcome.UNKNOWN
        if verdict.outcome is Outcome.EVIDENCE:
            known[event.workspace_id] = known[event.workspace_id].with_event(event, verdict)
    return sum(len(provisional_records(e, "awb", w, LISTED, str)) for w, e in known.items())


@pytest.mark.parametrize("number", [0, 1, 6, 7, len(STORY), 3 * len(STORY) + 4, 5 * len(STORY) + 7])
def test_units_are_what_the_rules_count(number: int) -> None:
    assert units(number) == counted(number)


def test_ids_are_unique_and_long_as_uuids() -> None:
    ids = [sample.message_id for run in ("0000abcd", "0000abce") for sample in stories(50, run)]
    assert len(set(ids)) == len(ids)
    assert {len(one) for one in ids} == {36}


def test_body_holds_both_ids_for_the_load_generator_to_replace() -> None:
    sample = created(7, "0000abcd")
    assert sample.message_id.encode() in sample.body
    assert sample.workspace_id.encode() in sample.body
    assert 800 < len(sample.body) < 2000
