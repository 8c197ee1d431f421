"""Rules as data: an ordered list, compiled and checked once, that turns an Event into a Verdict.

A condition has three answers, not two: a field that the payload lacks is neither equal nor unequal to anything.
Only a definite "yes" lets a rule match, so `not` around a missing field does not.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from app.core.delivery import Event


class Outcome(StrEnum):
    """What a verdict says of an event."""

    EVIDENCE = "evidence"
    IGNORED = "ignored"
    UNKNOWN = "unknown"


class EvidenceKind(StrEnum):
    """What an event proves, or hints at, about a workspace."""

    CREATED = "created"
    RESUMED = "resumed"
    PAUSED = "paused"
    FAILED = "failed"
    TASK_SEEN = "task_seen"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one event, with the rule that made it and why.

    Attributes:
        hint: what an admin may want to do about it; empty for most.
        meter: the meter that the evidence belongs to; empty unless the outcome is evidence.
        weight: how many units of the meter one start consumes.
    """

    outcome: Outcome
    rule: str
    reason: str
    evidence: EvidenceKind | None = None
    meter: str = ""
    weight: int = 1
    hint: str = ""


class RulesError(ValueError):
    """Every problem of a rules file at once.

    Attributes:
        problems: one sentence each, with file, rule and remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules can look up besides the payload: named lists such as `ai_templates`, case-folded."""

    lists: Mapping[str, frozenset[str]]


Condition = Callable[[Event, Facts], bool | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule."""

    name: str
    when: Condition
    verdict: Verdict


UNKNOWN_RULE: Final = "no-rule"
KNOWN_LISTS: Final = frozenset({"ai_templates"})
_FIELDS: Final = ("template_id", "name", "workspace_id", "workspace", "owner", "template", "organization")
_ROOTS: Final = ("labels", "data")
_OPERATORS: Final = ("equals", "in", "glob", "exists", "listed")
_TAKES: Final = {
    "equals": "one text, whole number, true or false",
    "in": "a list of such values, with at least one",
    "glob": "a text that may hold * ? [abc]",
    "exists": "true or false",
    "listed": f"the name of a list: {', '.join(sorted(KNOWN_LISTS))}",
}
_SCALAR: Final = str | int
_GROUPS: Final = ("all", "any", "not")
_KEYS: Final = ("name", "reason", "hint", "outcome", "evidence", "meter", "weight", "when")
_LONGEST_WEIGHT: Final = 1000


def classify(event: Event, rules: Sequence[Rule], facts: Facts) -> Verdict:
    """Return the verdict of the first rule that matches, else "unknown"."""
    for rule in rules:
        if rule.when(event, facts) is True:
            return rule.verdict
    return Verdict(
        Outcome.UNKNOWN,
        UNKNOWN_RULE,
        f"No rule speaks of the template “{event.name or event.template_id}”. It is kept and shown, and not counted.",
        hint="Add a rule for it if it matters to a meter.",
    )


def load_rules(text: str, file: str) -> tuple[Rule, ...]:
    """Compile a rules file.

    Args:
        text: TOML with an array of tables `rule`.
        file: the name that errors speak of.

    Raises:
        RulesError: with every problem found, each naming file, rule and remedy.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError([f"{file}: not valid TOML: {error}"]) from None
    problems = [f"{file}: unknown key “{key}”{_nearest(key, ['rule'])}" for key in document if key != "rule"]
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
    """Compiles one table and collects what is wrong with it."""

    def __init__(self, file: str, number: int, table: Any) -> None:
        self.table: Mapping[str, Any] = table if isinstance(table, dict) else {}
        name = self.table.get("name")
        self.where = f"{file}: rule “{name}”" if name and isinstance(name, str) else f"{file}: rule number {number}"
        self.problems: list[str] = []

    def compile(self) -> Rule | None:
        for key in self.table:
            if key not in _KEYS:
                self.problem(f"unknown key “{key}”{_nearest(key, _KEYS)}")
        name, reason = self.text("name"), self.text("reason")
        verdict = self.verdict(name, reason)
        when = self.condition(self.table.get("when"), "when")
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
        self.problem(f"`{key}` must be one of {', '.join(choices)}{_nearest(str(value), choices)}")
        return None

    def condition(self, spec: Any, path: str) -> Condition | None:
        if not isinstance(spec, dict):
            self.problem(f"`{path}` must be a table of conditions")
            return None
        if not spec:
            self.problem(f"`{path}` is empty; an empty rule would match nothing or everything, so it is refused")
            return None
        parts = [self.entry(key, value, f"{path}.{key}") for key, value in spec.items()]
        return _all([part for part in parts if part]) if all(parts) else None

    def entry(self, key: str, value: Any, path: str) -> Condition | None:
        if key in ("all", "any"):
            if not isinstance(value, list) or not value:
                self.problem(f"`{path}` must be a list of at least one table of conditions")
                return None
            parts = [self.condition(item, f"{path}[{index}]") for index, item in enumerate(value)]
            known = [part for part in parts if part]
            return (_all(known) if key == "all" else _any(known)) if len(known) == len(parts) else None
        if key == "not":
            inner = self.condition(value, path)
            return _not(inner) if inner else None
        return self.field(key, value, path)

    def field(self, key: str, value: Any, path: str) -> Condition | None:
        read = _reader(key)
        if read is None:
            known = ", ".join((*_FIELDS, *_GROUPS, *(f"{root}.…" for root in _ROOTS)))
            near = (
                f' (put the whole path in quotes: "{key}.…")' if key in _ROOTS else _nearest(key, (*_FIELDS, *_GROUPS))
            )
            self.problem(f"`{path}`: there is no field “{key}”{near}; known: {known}")
            return None
        if not isinstance(value, dict):
            return self.operator(read, "equals", value, path)
        if not value:
            self.problem(f"`{path}` is empty; give an operator: {', '.join(_OPERATORS)}")
            return None
        parts = [self.operator(read, operator, operand, path) for operator, operand in value.items()]
        return _all([part for part in parts if part]) if all(parts) else None

    def operator(self, read: Callable[[Event], Any], name: str, operand: Any, path: str) -> Condition | None:
        if name == "equals" and isinstance(operand, _SCALAR):
            return lambda event, _facts: _known(read(event), lambda value: _same(value, operand))
        if name == "in" and isinstance(operand, list) and operand and all(isinstance(o, _SCALAR) for o in operand):
            return lambda event, _facts: _known(read(event), lambda value: any(_same(value, o) for o in operand))
        # Globs, not regular expressions: they cannot backtrack without end over a hostile label.
        if name == "glob" and isinstance(operand, str) and operand:
            folded = operand.casefold()
            return lambda event, _facts: _known(read(event), lambda v: fnmatchcase(str(v).casefold(), folded))
        if name == "exists" and isinstance(operand, bool):
            return lambda event, _facts: (read(event) is not None) is operand
        if name == "listed" and isinstance(operand, str) and operand in KNOWN_LISTS:
            return lambda event, facts: _known(
                read(event), lambda value: str(value).casefold() in facts.lists.get(operand, frozenset())
            )
        if name in _OPERATORS:
            self.problem(f"`{path}`: {name} = {operand!r} is not a value that “{name}” takes; give it {_TAKES[name]}")
        else:
            known = ", ".join(_OPERATORS)
            self.problem(f"`{path}`: unknown operator “{name}”{_nearest(name, _OPERATORS)}; known: {known}")
        return None


def _reader(field: str) -> Callable[[Event], Any] | None:
    """Return a function that reads a field and gives None where the event lacks it."""
    if field in _FIELDS:
        return lambda event: getattr(event, field) or None
    root, _, rest = field.partition(".")
    if root not in _ROOTS or not rest:
        return None
    steps = rest.split(".") if root == "data" else [rest]
    return lambda event: _walk(event.payload.get(root), steps)


def _walk(value: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _same(value: Any, operand: Any) -> bool:
    if isinstance(value, str) and isinstance(operand, str):
        return value.casefold() == operand.casefold()
    return bool(type(value) is type(operand) and value == operand)


def _known(value: Any, test: Callable[[Any], bool]) -> bool | None:
    return None if value is None else test(value)


def _all(parts: Sequence[Condition]) -> Condition:
    def check(event: Event, facts: Facts) -> bool | None:
        unknown = False
        for part in parts:
            answer = part(event, facts)
            if answer is False:
                return False
            unknown = unknown or answer is None
        return None if unknown else True

    return check


def _any(parts: Sequence[Condition]) -> Condition:
    def check(event: Event, facts: Facts) -> bool | None:
        unknown = False
        for part in parts:
            answer = part(event, facts)
            if answer is True:
                return True
            unknown = unknown or answer is None
        return None if unknown else False

    return check


def _not(inner: Condition) -> Condition:
    def check(event: Event, facts: Facts) -> bool | None:
        answer = inner(event, facts)
        return None if answer is None else not answer

    return check


def _nearest(word: str, choices: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean “{near[0]}”?)" if near else ""
