"""Conditions of rules: fields, operators and groups, compiled once.

A condition has three results: a field that the payload lacks is neither equal nor unequal to anything. A rule matches
only if the result is true, so `not` around a missing field does not match.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from app.core.count.delivery import Event
from app.core.text.spelling import did_you_mean


@dataclass(frozen=True, slots=True)
class Facts:
    """Data that rules can use besides the payload: named lists such as `ai_templates`, case-folded."""

    lists: Mapping[str, frozenset[str]]


#: Returns True, False, or None if the event lacks the field.
Condition = Callable[[Event, Facts], bool | None]

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


class ConditionCompiler:
    """Compiles the `when` of one rule, and reports every error in it."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.problem = report

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
                f' (put the whole path in quotes: "{key}.…")'
                if key in _ROOTS
                else did_you_mean(key, (*_FIELDS, *_GROUPS))
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
            return _one_of(read, [operand])
        if name == "in" and isinstance(operand, list) and operand and all(isinstance(o, _SCALAR) for o in operand):
            return _one_of(read, operand)
        # Globs, not regular expressions, because they cannot backtrack endlessly on a hostile label.
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
            self.problem(f"`{path}`: unknown operator “{name}”{did_you_mean(name, _OPERATORS)}; known: {known}")
        return None


def _reader(field: str) -> Callable[[Event], Any] | None:
    """Return a function that reads a field, or returns None if the event lacks it."""
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


def _one_of(read: Callable[[Event], Any], operands: Sequence[str | int]) -> Condition:
    """Compare texts without regard to case, and true and false only with themselves, not with 1 and 0."""
    texts = frozenset(operand.casefold() for operand in operands if isinstance(operand, str))
    others = frozenset((type(operand), operand) for operand in operands if not isinstance(operand, str))

    def check(event: Event, _facts: Facts) -> bool | None:
        value = read(event)
        if isinstance(value, str):
            return value.casefold() in texts
        return None if value is None else isinstance(value, int) and (type(value), value) in others

    return check


def _known(value: Any, test: Callable[[Any], bool]) -> bool | None:
    return None if value is None else test(value)


def _all(parts: Sequence[Condition]) -> Condition:
    if len(parts) == 1:
        return parts[0]

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
    if len(parts) == 1:
        return parts[0]

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
