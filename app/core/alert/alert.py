"""Alerts: what there is to say, in neutral words, and the notifications that carry it to receivers."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from app.core.alert.decision import Reason
from app.core.alert.severity import Severity
from app.core.count.meter import Usage
from app.core.stored import Day, known_or, read


class AlertKind(StrEnum):
    """What an alert is about; routes and silences choose by it."""

    THRESHOLD = "threshold"
    FORECAST = "forecast"
    SCOPE = "scope"
    BURST = "burst"
    NOTICE = "notice"
    DIGEST = "digest"
    TEST = "test"

    @classmethod
    def of_name(cls, name: str) -> "AlertKind":
        """Return the kind of an alert by its name: `<kind>-<anything>`, or the id of a meter for its thresholds."""
        return next((kind for kind in cls if name.startswith(f"{kind.value}-")), cls.THRESHOLD)

    @property
    def fires(self) -> bool:
        """Return whether alerts of this kind stand until they are over; reports and tests are only sent."""
        return self not in (AlertKind.DIGEST, AlertKind.TEST)


# The words beside the headline; without them a message still says what it is about.
_Text = Annotated[str, Field(default="")]
_EMPTY: Final = Field(default=())


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
        used: units used, as the alert says it; None where it mentions no number.
        limit: the limit; None when unlimited, or of no meaning here.
        burn_up: (UTC day, units used up to its end) of the period, oldest first, for a chart; at most 120 points.
        breach: day on which the limit is expected to be reached.
        actor: who acknowledged or snoozed it, and until when; empty otherwise.
    """

    group_key: str
    deployment: str
    meter: str
    reason: Annotated[Reason, known_or(Reason.FIRST)]
    level: str
    severity: Annotated[Severity, known_or(Severity.WARNING)]
    headline: str
    summary: _Text
    facts: Annotated[tuple[tuple[str, str], ...], _EMPTY]
    meaning: _Text
    links: Annotated[tuple[tuple[str, str], ...], _EMPTY]
    footer: _Text
    name: str = ""
    kind: Annotated[AlertKind, known_or(AlertKind.NOTICE)] = AlertKind.THRESHOLD
    previous: str = ""
    scope: str = ""
    used: int | None = None
    limit: int | None = None
    burn_up: tuple[tuple[Day, int], ...] = field(default=())
    breach: Day | None = None
    actor: str = ""

    @property
    def leads(self) -> bool:
        """Return whether this is the news of the thread itself, and not a word beside it."""
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
        found: dict[str, Any] = _ALERT.dump_python(self, mode="json")
        return found

    @classmethod
    def from_json(cls, stored: str | bytes) -> "Alert":
        """Read the JSON of what `as_json` returned, in this version or another one.

        Raises:
            ValueError: it is something else.
        """
        return read(_ALERT, stored)


_ALERT: Final = TypeAdapter(Alert)


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
