"""Scopes: sub-limits of one user, template, organization or group, and bursts of one user's builds.

So that one runaway pipeline is seen before the pool is gone.
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
    """One `[[scopes]]` table of the configuration: each name that the glob takes has this limit for itself.

    Attributes:
        per: what the limit is for: the usage period, or the UTC month or day that holds the moment.
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
    """The `[burst]` table of the configuration: number of builds by one user and number of hours; 0 for never."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    builds: int = Field(default=0, ge=0)
    hours: float = Field(default=1, gt=0, le=24)


@dataclass(frozen=True, slots=True)
class ScopeUsage:
    """What one name used under one rule."""

    rule: ScopeRule
    name: str
    used: int

    @property
    def label(self) -> str:
        """As matchers, routes and messages name it: `user:ada`."""
        return f"{self.rule.by}:{self.name}"


def scope_usages(
    rules: Sequence[ScopeRule], used: Mapping[tuple[str, str], Sequence[tuple[str, int]]]
) -> list[ScopeUsage]:
    """Return what every name under every rule used.

    Args:
        rules: the configured rules; the first of the same dimension and span that takes a name is the one that counts.
        used: (name, units) pairs by (dimension, span).
    """
    found: dict[tuple[str, str, str, str], ScopeUsage] = {}
    for rule in rules:
        for name, units in used.get((rule.by, rule.per), ()):
            if name and fnmatchcase(name, rule.name):
                found.setdefault((rule.meter, rule.by, rule.per, name), ScopeUsage(rule, name, units))
    return list(found.values())


def by_group(users: Iterable[tuple[str, int]], groups: Mapping[str, Sequence[str]]) -> list[tuple[str, int]]:
    """Sum up users by group; somebody in two groups counts in both.

    Args:
        users: (user, units) pairs.
        groups: user names by group.
    """
    units = Counter(dict(users))
    return [(group, sum(units[member] for member in set(members))) for group, members in groups.items()]


def bursts(owners: Iterable[str], rule: BurstRule) -> list[tuple[str, int]]:
    """Return (user, builds) of those who reached the burst rule, the most first.

    Args:
        owners: the owner of each build within the rule's hours; empty ones are nobody's.
        rule: the configured one.
    """
    if not rule.builds:
        return []
    counted = Counter(owner for owner in owners if owner)
    return [(owner, count) for owner, count in counted.most_common() if count >= rule.builds]
