"""Alerts in channel-neutral words, and the notifications that carry them to receivers."""

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
    """What an alert is about; routes and silences match on it."""

    THRESHOLD = "threshold"
    FORECAST = "forecast"
    SCOPE = "scope"
    BURST = "burst"
    NOTICE = "notice"
    DIGEST = "digest"
    TEST = "test"

    @classmethod
    def of_name(cls, name: str) -> "AlertKind":
        """Return the kind of an alert by its name: `<kind>-<anything>`, or a meter's id for threshold alerts."""
        return next((kind for kind in cls if name.startswith(f"{kind.value}-")), cls.THRESHOLD)

    @property
    def fires(self) -> bool:
        """Return whether alerts of this kind stay active until they are resolved; reports and tests are only sent."""
        return self not in (AlertKind.DIGEST, AlertKind.TEST)


# Optional texts; without them a message still says what it is about.
_Text = Annotated[str, Field(default="")]
_EMPTY: Final = Field(default=())


@dataclass(frozen=True, slots=True)
class Alert:
    """The content of an alert before any channel's markup. All texts may contain names that people chose: escape them.

    Attributes:
        name: the alert whose state changed, such as `awb`, `forecast-awb` or `scope-1f2e3d`.
        group_key: the thread that this alert belongs to: deployment, meter and period.
        previous: the level that was announced before; empty for none.
        scope: such as `user:ada`; empty for the whole deployment.
        headline: at most 150 characters.
        summary: one full sentence with the number, the limit and the level, which can stand alone.
        facts: (label, value) pairs, the most important first.
        meaning: what it means, and what to do next.
        links: (label, URL) pairs; URLs only from the configuration or of coder.com.
        footer: the source of the numbers.
        used: units used, as the text states them; None if it states no number.
        limit: the limit; None if unlimited or not applicable.
        burn_up: points of a chart: (UTC day, units used by its end) of the period, oldest first; at most 120.
        breach: the day on which the limit is expected to be reached.
        actor: who acknowledged or snoozed it, and until when; otherwise empty.
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
        """Return whether this message starts its thread, rather than being a reply in it."""
        return self.kind is AlertKind.THRESHOLD

    def labels(self, receiver: str = "") -> dict[str, str]:
        """Return the labels that routes and silences match on; a resolved alert keeps the level that it had."""
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
        """Parse the JSON form of `as_json`, also from other versions.

        Raises:
            ValueError: the text is something else.
        """
        return read(_ALERT, stored)


_ALERT: Final = TypeAdapter(Alert)


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one receiver.

    Attributes:
        id: the same for all retries; letters, digits, `_` and `-`.
        receiver: a configured destination, such as `slack` or `email:ops@example.com`.
        decided_at: when it was decided, timezone-aware.
        stands_in_for: the unreachable receiver that this one replaces; otherwise empty.
    """

    id: str
    receiver: str
    decided_at: datetime
    alert: Alert
    stands_in_for: str = ""


def group_key(usage: Usage) -> str:
    """Return the key of a thread: one per deployment, meter and period."""
    return f"{usage.deployment}:{usage.meter}:{usage.period.start.isoformat()}"
