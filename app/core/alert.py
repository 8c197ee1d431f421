"""Alerts: what there is to say, in neutral words, and the notifications that carry it to receivers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from app.core.decision import Reason
from app.core.meter import Usage
from app.core.severity import Severity


class AlertKind(StrEnum):
    """What an alert is about; routes and silences choose by it."""

    THRESHOLD = "threshold"
    FORECAST = "forecast"
    SCOPE = "scope"
    BURST = "burst"
    NOTICE = "notice"
    DIGEST = "digest"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Alert:
    """What there is to say, before any channel's markup. Every text may hold names that people chose: escape them.

    Attributes:
        name: identity of the alert whose state changed, such as `awb`, `forecast-awb` or `scope-1f2e3d`.
        group_key: identity of the thread that this alert belongs to: deployment, meter and period.
        previous: name of the level that was announced before; empty for none.
        scope: `user:ada` and the like; empty for the whole deployment.
        headline: at most 150 characters.
        summary: one full sentence with number, limit and level, complete in itself.
        facts: (label, value) pairs, the most important first.
        meaning: what it means and what to do next.
        links: (label, URL) pairs; only URLs from the configuration or of coder.com.
        footer: where this comes from.
        used: units used, as the alert says it; None where it speaks of no number.
        limit: the limit; None when unlimited, or of no meaning here.
        burn_up: (UTC day, units used up to its end) of the period, oldest first, for a chart; at most 120 points.
        breach: day on which the limit is expected to be reached.
        actor: who acknowledged or snoozed it, and until when; empty otherwise.
    """

    group_key: str
    deployment: str
    meter: str
    reason: Reason
    level: str
    severity: Severity
    headline: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    meaning: str
    links: tuple[tuple[str, str], ...]
    footer: str
    name: str = ""
    kind: AlertKind = AlertKind.THRESHOLD
    previous: str = ""
    scope: str = ""
    used: int | None = None
    limit: int | None = None
    burn_up: tuple[tuple[date, int], ...] = field(default=())
    breach: date | None = None
    actor: str = ""

    @property
    def leads(self) -> bool:
        """Tell whether this is the news of the thread itself, and not a word beside it."""
        return self.kind is AlertKind.THRESHOLD

    def labels(self, receiver: str = "") -> dict[str, str]:
        """Return what routes and silences look at; a resolved alert keeps the level that it had."""
        return {
            "alert": self.name,
            "kind": self.kind.value,
            "meter": self.meter,
            "level": self.level or self.previous,
            "scope": self.scope,
            "severity": self.severity.value,
            "reason": self.reason.value,
            "receiver": receiver,
        }

    def as_json(self) -> dict[str, Any]:
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            **plain,
            "reason": self.reason.value,
            "severity": self.severity.value,
            "kind": self.kind.value,
            "facts": [list(pair) for pair in self.facts],
            "links": [list(pair) for pair in self.links],
            "burn_up": [[day.isoformat(), used] for day, used in self.burn_up],
            "breach": self.breach.isoformat() if self.breach else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Alert":
        """Read what `as_json` wrote, this version's or an earlier one's."""
        return cls(
            **{
                **value,
                "reason": Reason(value["reason"]),
                "severity": Severity(value["severity"]),
                "kind": AlertKind(value.get("kind", "threshold")),
                "facts": tuple((label, text) for label, text in value["facts"]),
                "links": tuple((label, url) for label, url in value["links"]),
                "burn_up": tuple((date.fromisoformat(day), used) for day, used in value.get("burn_up", ())),
                "breach": date.fromisoformat(value["breach"]) if value.get("breach") else None,
            }
        )


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one receiver.

    Attributes:
        id: stable over retries; letters, digits, `_` and `-`.
        receiver: configured destination, such as `slack` or `email:ops@example.com`.
        decided_at: when the decision fell, timezone-aware.
        stands_in_for: the receiver that could not be reached and that this one stands in for; empty otherwise.
    """

    id: str
    receiver: str
    decided_at: datetime
    alert: Alert
    stands_in_for: str = ""


def group_key(usage: Usage) -> str:
    """Return the identity of a thread: one per deployment, meter and period."""
    return f"{usage.deployment}:{usage.meter}:{usage.period.start.isoformat()}"
