"""Rules as data: an ordered list, compiled and checked once, that classifies events."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from app.core.count.conditions import Condition, ConditionCompiler, Facts
from app.core.count.delivery import Event
from app.core.text.spelling import did_you_mean


class Outcome(StrEnum):
    """What a verdict says about an event."""

    EVIDENCE = "evidence"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


class EvidenceKind(StrEnum):
    """What an event proves or suggests about a workspace."""

    CREATED = "created"
    RESUMED = "resumed"
    PAUSED = "paused"
    FAILED = "failed"
    TASK_SEEN = "task_seen"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one event, with the rule and the reason.

    Attributes:
        hint: what an admin may want to do about it; usually empty.
        meter: the meter that the evidence belongs to; empty unless the outcome is evidence.
        weight: the units that one start consumes.
    """

    outcome: Outcome
    rule: str
    reason: str
    evidence: EvidenceKind | None = None
    meter: str = ""
    weight: int = 1
    hint: str = ""


class RulesError(ValueError):
    """All errors of a rules file.

    Attributes:
        problems: one sentence each, with file, rule and remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule."""

    name: str
    when: Condition
    verdict: Verdict


UNKNOWN_RULE: Final = "no-rule"
_KEYS: Final = ("name", "reason", "hint", "outcome", "evidence", "meter", "weight", "when")
#: Tables of the second kind are parsed by app/core/relay/rule.py.
_TABLES: Final = ("rule", "relay")
_LONGEST_WEIGHT: Final = 1000


def classify(event: Event, rules: Sequence[Rule], facts: Facts) -> Verdict:
    """Return the verdict of the first rule that matches; “unknown” if none does."""
    for rule in rules:
        if rule.when(event, facts) is True:
            return rule.verdict
    return Verdict(
        Outcome.UNKNOWN,
        UNKNOWN_RULE,
        f"No rule matches the template “{event.name or event.template_id}”. It is kept and shown, but not counted.",
        hint="Add a rule for it if it matters to a meter.",
    )


# A reload mostly reads the same rules again.
@lru_cache(maxsize=4)
def load_rules(text: str, file: str) -> tuple[Rule, ...]:
    """Compile a rules file.

    Args:
        text: TOML with an array of tables `rule`.
        file: the file name for error messages.

    Raises:
        RulesError: with every error, each with file, rule and remedy.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError([f"{file}: not valid TOML: {error}"]) from None
    problems = [f"{file}: unknown key “{key}”{did_you_mean(key, _TABLES)}" for key in document if key not in _TABLES]
    tables = document.get("rule")
    if isinstance(tables, dict):
        raise RulesError(
            [*problems, f"{file}: [rule] is one table; write [[rule]], with two brackets, above each rule"]
        )
    if not isinstance(tables, list) or not tables:
        raise RulesError([*problems, f"{file}: no [[rule]] at all; an empty list would ignore every delivery"])
    rules: list[Rule] = []
    names: set[str] = set()
    for number, table in enumerate(tables, 1):
        compiler = _Compiler(file, number, table)
        rule = compiler.compile()
        name = compiler.table.get("name")
        if isinstance(name, str) and name in names:
            compiler.problem("this name is taken; give each rule its own")
        names.add(str(name))
        problems += compiler.problems
        if rule:
            rules.append(rule)
    if problems:
        raise RulesError(problems)
    return tuple(rules)


class _Compiler:
    """Compiles one table and collects its errors."""

    def __init__(self, file: str, number: int, table: Any) -> None:
        self.table: Mapping[str, Any] = table if isinstance(table, dict) else {}
        name = self.table.get("name")
        self.where = f"{file}: rule “{name}”" if name and isinstance(name, str) else f"{file}: rule number {number}"
        self.problems: list[str] = []

    def compile(self) -> Rule | None:
        for key in self.table:
            if key not in _KEYS:
                self.problem(f"unknown key “{key}”{did_you_mean(key, _KEYS)}")
        name, reason = self.text("name"), self.text("reason")
        verdict = self.verdict(name, reason)
        when = ConditionCompiler(self.problem).condition(self.table.get("when"), "when")
        return Rule(name, when, verdict) if when and verdict and not self.problems else None

    def problem(self, what: str) -> None:
        self.problems.append(f"{self.where}: {what}")

    def text(self, key: str) -> str:
        value = self.table.get(key)
        if not isinstance(value, str) or not value.strip():
            self.problem(f"`{key}` must be a text that says something")
            return ""
        return value

    def verdict(self, name: str, reason: str) -> Verdict | None:
        outcome = self.choice("outcome", [o.value for o in Outcome])
        hint = self.table.get("hint", "")
        if not isinstance(hint, str):
            self.problem("`hint` must be a text")
        if outcome is None:
            return None
        if outcome != Outcome.EVIDENCE:
            for key in ("evidence", "meter", "weight"):
                if key in self.table:
                    self.problem(f'`{key}` only goes with outcome = "evidence"; remove one of the two')
            return Verdict(Outcome(outcome), name, reason, hint=hint)
        kind = self.choice("evidence", [k.value for k in EvidenceKind])
        meter, weight = self.table.get("meter", "awb"), self.table.get("weight", 1)
        if not isinstance(meter, str) or not meter.replace("_", "").isalnum() or not meter.isascii():
            self.problem("`meter` must be a short name of letters, digits and _")
        if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= _LONGEST_WEIGHT:
            self.problem(f"`weight` must be a whole number from 1 to {_LONGEST_WEIGHT}")
        return Verdict(Outcome.EVIDENCE, name, reason, EvidenceKind(kind), meter, weight, hint) if kind else None

    def choice(self, key: str, choices: list[str]) -> str | None:
        value = self.table.get(key)
        if value in choices:
            return str(value)
        self.problem(f"`{key}` must be one of {', '.join(choices)}{did_you_mean(str(value), choices)}")
        return None
