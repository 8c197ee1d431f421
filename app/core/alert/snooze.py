"""Buttons below an alert: the action, the alert and the duration of each."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from pydantic import TypeAdapter

from app.core.alert.alert import Alert, AlertKind
from app.core.alert.decision import Reason
from app.core.stored import read
from app.core.text.compact import compact
from app.core.text.lines import day_text

#: Maximum length of a button's `value`: https://docs.slack.dev/reference/block-kit/block-elements/button-element
LONGEST_VALUE: Final = 2000
#: Maximum snooze for an alert without a period, so that one click cannot mute anything forever.
LONGEST_SNOOZE: Final = timedelta(days=366)
_ACKNOWLEDGED: Final = "Acknowledged by "
_WITHOUT: Final = (AlertKind.NOTICE, AlertKind.DIGEST, AlertKind.TEST)
_OVER: Final = (Reason.SUMMARY, Reason.DIGEST, Reason.TEST, Reason.NONE)


class Button(StrEnum):
    """The ids of the buttons; link buttons have ids that begin with `open_`."""

    ACKNOWLEDGE = "acknowledge"
    ONE_DAY = "snooze_1d"
    SEVEN_DAYS = "snooze_7d"
    NEXT_LEVEL = "snooze_level"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS: Final = {
    Button.ACKNOWLEDGE: "Acknowledge",
    Button.ONE_DAY: "Snooze 1 d",
    Button.SEVEN_DAYS: "Snooze 7 d",
    Button.NEXT_LEVEL: "Until next level",
}
_SPANS: Final = {Button.ONE_DAY: timedelta(days=1), Button.SEVEN_DAYS: timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class Target:
    """What a button refers to, as of its message; once the alert's state changes, the button is stale."""

    deployment: str
    alert: str
    level: str
    group_key: str

    @classmethod
    def of(cls, alert: Alert) -> "Target":
        return cls(alert.deployment, alert.name, alert.level, alert.group_key)

    def as_value(self) -> str:
        """Return the target as ASCII-only JSON, which escaping and cleaning on the way leave unchanged."""
        text = compact(asdict(self))
        return text.translate({ord(character): f"\\u{ord(character):04x}" for character in "&<>"})

    @classmethod
    def from_value(cls, value: str) -> "Target":
        """Parse the text that `as_value` returned.

        Raises:
            ValueError: the text is something else.
        """
        try:
            return read(_TARGET, value[:LONGEST_VALUE])
        except (ValueError, RecursionError):
            raise ValueError("the value of a button names deployment, alert, level and group_key") from None


_TARGET: Final = TypeAdapter(Target)


def buttons_of(alert: Alert) -> tuple[Button, ...]:
    """Return the buttons below an alert: none if it is not active, and none for what has already been done."""
    unresolved = alert.kind not in _WITHOUT and bool(alert.name and alert.level) and alert.reason not in _OVER
    if not unresolved or len(Target.of(alert).as_value()) > LONGEST_VALUE:
        return ()
    done = Button.ACKNOWLEDGE if is_acknowledged(alert) else None
    return tuple(button for button in Button if button is not done)


def snoozed_until(button: Button, now: datetime) -> datetime | None:
    """Return when a snooze ends; None for “until next level”."""
    span = _SPANS.get(button)
    return now + span if span else None


def next_level_until(now: datetime, period_end: date | None) -> datetime:
    """Return when “until next level” ends if no next level is reached: with the period (UTC), which may be over."""
    if period_end is None:
        return now + LONGEST_SNOOZE
    return min(datetime.combine(period_end, time(), UTC), now + LONGEST_SNOOZE)


def is_acknowledged(alert: Alert) -> bool:
    """Return whether the alert's `actor` says that it was acknowledged."""
    return alert.actor.startswith(_ACKNOWLEDGED)


def actor_text(
    acknowledged_by: str, snoozed_by: str, until: datetime | None, ended_by: str = "", zone: tzinfo = UTC
) -> str:
    """Return the text for an alert's `actor`: what people did about it. Empty names stand for nobody."""
    parts = [f"{_ACKNOWLEDGED}{acknowledged_by}" if acknowledged_by else ""]
    parts += [f"Snoozed until {until_text(until, zone)} by {snoozed_by}" if snoozed_by and until else ""]
    parts += [f"Snooze ended by {ended_by}" if ended_by else ""]
    return " · ".join(part for part in parts if part)


def until_text(moment: datetime, zone: tzinfo = UTC) -> str:
    """Format the end of a snooze for use in a sentence, such as 26 November 2026, 09:30 CET."""
    at = moment.astimezone(zone)
    return f"{day_text(at)}, {at:%H:%M} {at:%Z}"
