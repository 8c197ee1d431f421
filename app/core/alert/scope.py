"""Scopes: limits for one user, template, organization or group, and bursts of one user's builds.

They reveal one runaway pipeline before it has used up the limit.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.core.count.meter import AWB
from app.core.limit.threshold import Threshold, ThresholdKind

Dimension = Literal["user", "template", "organization", "group"]


class ScopeRule(BaseModel):
    """One `[[scopes]]` table of the configuration: this limit applies to each name that the glob matches.

    Attributes:
        per: the span of the limit: the usage period, or the current UTC month or day.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Dimension
    name: str = Field("*", min_length=1, max_length=200)
    limit: int = Field(ge=1)
    thresholds: tuple[Threshold, ...] = (Threshold(ThresholdKind.PERCENT, 100),)
    per: Literal["period", "month", "day"] = "period"
    meter: str = AWB

    @field_validator("thresholds")
    @classmethod
    def _without_projection(cls, thresholds: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
        if any(threshold.if_projected for threshold in thresholds):
            raise ValueError("“if projected” is for the limit of the deployment; leave it out of sub-limits")
        return thresholds


class BurstRule(BaseModel):
    """The `[burst]` table of the configuration: builds by one user within a number of hours; 0 builds for never."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    builds: int = Field(default=0, ge=0)
    hours: float = Field(default=1, gt=0, le=24)


@dataclass(frozen=True, slots=True)
class ScopeUsage:
    """The usage of one name under one rule."""

    rule: ScopeRule
    name: str
    used: int

    @property
    def label(self) -> str:
        """The label in matchers, routes and messages, such as `user:ada`."""
        return f"{self.rule.by}:{self.name}"


def scope_usages(
    rules: Sequence[ScopeRule], used: Mapping[tuple[str, str], Sequence[tuple[str, int]]]
) -> list[ScopeUsage]:
    """Return the usage of every name under every rule.

    Args:
        rules: the configured rules; for a dimension and span, the first rule that matches a name applies.
        used: (name, units) pairs by (dimension, span).
    """
    found: dict[tuple[str, str, str, str], ScopeUsage] = {}
    for rule in rules:
        for name, units in used.get((rule.by, rule.per), ()):
            if name and fnmatchcase(name, rule.name):
                found.setdefault((rule.meter, rule.by, rule.per, name), ScopeUsage(rule, name, units))
    return list(found.values())


def by_group(users: Iterable[tuple[str, int]], groups: Mapping[str, Sequence[str]]) -> list[tuple[str, int]]:
    """Add up users by group; a member of two groups counts in both.

    Args:
        users: (user, units) pairs.
        groups: user names by group.
    """
    units = Counter(dict(users))
    return [(group, sum(units[member] for member in set(members))) for group, members in groups.items()]


def bursts(owners: Iterable[str], rule: BurstRule) -> list[tuple[str, int]]:
    """Return (user, builds) for everyone who reached the burst rule, highest first.

    Args:
        owners: the owner of each build within the rule's hours; builds without an owner have an empty one.
        rule: the configured rule.
    """
    if not rule.builds:
        return []
    counted = Counter(owner for owner in owners if owner)
    return [(owner, count) for owner, count in counted.most_common() if count >= rule.builds]
