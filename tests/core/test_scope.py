from typing import Any

import pytest
from pydantic import ValidationError

from app.core.alert.scope import BurstRule, ScopeRule, bursts, by_group, scope_usages


def rule(by: str = "user", name: str = "*", limit: int = 10, **more: Any) -> ScopeRule:
    return ScopeRule.model_validate({"by": by, "name": name, "limit": limit, **more})


def test_the_first_rule_that_takes_a_name_is_the_one_that_counts() -> None:
    rules = [rule(name="ci-*", limit=500), rule(limit=100), rule("template", "gpu", 50)]
    used = {
        ("user", "period"): [("ada", 7), ("ci-bot", 400), ("", 3)],
        ("template", "period"): [("gpu", 9), ("cpu", 1)],
    }
    found = [(scope.label, scope.rule.limit, scope.used) for scope in scope_usages(rules, used)]
    assert sorted(found) == [("template:gpu", 50, 9), ("user:ada", 100, 7), ("user:ci-bot", 500, 400)]


def test_rules_for_different_spans_hold_side_by_side() -> None:
    rules = [rule(per="day", limit=5), rule(limit=100)]
    used = {("user", "day"): [("ada", 6)], ("user", "period"): [("ada", 60)]}
    assert [(scope.rule.per, scope.used) for scope in scope_usages(rules, used)] == [("day", 6), ("period", 60)]


def test_a_group_is_the_sum_of_its_members() -> None:
    users = [("ada", 5), ("bob", 3), ("eve", 1)]
    groups = {"devs": ["ada", "bob", "bob"], "ml": ["ada", "zoe"], "empty": []}
    assert by_group(users, groups) == [("devs", 8), ("ml", 5), ("empty", 0)]


@pytest.mark.parametrize(
    ("owners", "builds", "expected"),
    [
        ([], 3, []),
        (["ada"] * 2, 3, []),
        (["ada"] * 3, 3, [("ada", 3)]),
        (["ada"] * 3 + ["bob"] * 5 + [""] * 9, 3, [("bob", 5), ("ada", 3)]),
        (["ada"] * 3, 0, []),
    ],
)
def test_a_burst_is_so_many_builds_of_one_user(owners: list[str], builds: int, expected: list[Any]) -> None:
    assert bursts(owners, BurstRule(builds=builds)) == expected


@pytest.mark.parametrize(
    "fields", [{"by": "team"}, {"limit": 0}, {"thresholds": ["lots"]}, {"per": "week"}, {"name": ""}, {"nmae": "x"}]
)
def test_a_mistake_in_a_scope_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ScopeRule.model_validate({"by": "user", "limit": 5, **fields})
