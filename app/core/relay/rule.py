"""Relay rules, the `[[relay]]` tables of the rules file: how a notification reaches its recipient."""

import tomllib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.core.relay.forward import TemplateGlobs, matches_template
from app.core.relay.group import GROUPS, group_of
from app.core.relay.original import Subject
from app.core.text.spelling import did_you_mean


class Way(StrEnum):
    """How a notification reaches its recipient."""

    EMAIL = "email"
    SLACK = "slack"
    NONE = "none"


class RelayRule(BaseModel):
    """One `[[relay]]` table; conditions that it leaves out always match.

    Attributes:
        name: a name, for display.
        relay: how notifications are sent.
        templates: globs of names or ids of Coder's notification templates.
        groups: globs of their groups, such as Task Events.
        recipients: globs of addresses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=60)]
    relay: Way
    templates: TemplateGlobs = ()
    groups: TemplateGlobs = ()
    recipients: TemplateGlobs = ()

    @field_validator("groups")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for glob in value:
            if not any(_same(group, glob) for group in GROUPS):
                raise ValueError(f"“{glob}” is no group{did_you_mean(glob, GROUPS)}; groups are {', '.join(GROUPS)}")
        return value

    def matches(self, subject: Subject) -> bool:
        group = group_of(subject.name)
        return (
            matches_template(self.templates, subject.template_id, subject.name)
            and (not self.groups or any(_same(group, glob) for glob in self.groups))
            and (not self.recipients or any(_same(subject.recipient, glob) for glob in self.recipients))
        )


def way_of(subject: Subject, rules: Sequence[RelayRule], usual: Way) -> Way:
    """Return how a notification is sent: by the first matching rule, or else the usual way.

    A passcode is always relayed, because without it a person cannot get back into the account. Rules only choose how.
    """
    for rule in rules:
        if rule.matches(subject) and not (subject.passcode and rule.relay is Way.NONE):
            return rule.relay
    return usual


class RelayRulesError(ValueError):
    """All errors of the `[[relay]]` tables.

    Attributes:
        problems: one sentence each, with file, table and remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


# A reload mostly reads the same rules again.
@lru_cache(maxsize=4)
def load_relay_rules(text: str, file: str) -> tuple[RelayRule, ...]:
    """Parse the `[[relay]]` tables of a rules file, which is TOML.

    Raises:
        RelayRulesError: with every error found.
    """
    tables = tomllib.loads(text).get("relay", [])
    if not isinstance(tables, list):
        raise RelayRulesError([f"{file}: [relay] is one table; write [[relay]], with two brackets, above each rule"])
    rules, problems = [], []
    for number, table in enumerate(tables, 1):
        try:
            rules.append(RelayRule.model_validate(table))
        except ValidationError as error:
            name = table.get("name") if isinstance(table, dict) else None
            where = f"{file}: relay “{name}”" if isinstance(name, str) and name else f"{file}: relay number {number}"
            problems += [f"{where}: {problem}" for problem in _sentences(error)]
    if problems:
        raise RelayRulesError(problems)
    return tuple(rules)


_KEYS: Final = tuple(RelayRule.model_fields)


def _sentences(error: ValidationError) -> Iterator[str]:
    found: Any
    for found in error.errors(include_url=False, include_input=False):
        key = str(found["loc"][0]) if found["loc"] else ""
        match found["type"]:
            case "extra_forbidden":
                yield f"unknown key “{key}”{did_you_mean(key, _KEYS)}"
            case "missing":
                yield f"`{key}` is missing"
            case "enum":
                yield f"`{key}` must be one of {', '.join(Way)}"
            case _:
                yield f"`{key}`: {str(found['msg']).removeprefix('Value error, ')}"


def _same(value: str, glob: str) -> bool:
    return fnmatchcase(value.casefold(), glob.casefold())
