"""Routes: which receivers get which messages, when messages are held, and escalation without acknowledgement."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from app.core.alert.decision import Reason
from app.core.alert.quiet import QuietSpan
from app.core.text.mailbox import receiver_key
from app.core.text.parsed import Parsed

_SHARE: Final = re.compile(r"(\d+)%")


def _globs(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _keys(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(receiver_key(glob) for glob in value)


Globs = Annotated[tuple[str, ...], BeforeValidator(_globs)]
ReceiverGlobs = Annotated[Globs, AfterValidator(_keys)]
_AT_LEAST: Final = re.compile(r">=\s*(\d{1,6})\s*%?")


@dataclass(frozen=True, slots=True)
class LevelGlob(Parsed):
    """The levels that a route matches: one by name, or every percentage of the limit from a minimum on.

    Attributes:
        name: the name without spaces; empty if `at_least` is set.
        at_least: the minimum, in per cent.
    """

    name: str
    at_least: int | None = None

    @classmethod
    def parse(cls, text: str) -> "LevelGlob":
        """Parse `90%`, `soft limit`, `900 builds` or `>=100%`.

        Raises:
            ValueError: with the allowed forms.
        """
        found = _AT_LEAST.fullmatch(text)
        if text.startswith(">") and not found:
            raise ValueError(f"“{text}” is no level: write 90%, soft limit, 900 builds, or >=100%")
        return cls("", int(found[1])) if found else cls(text.replace(" ", ""))

    def __str__(self) -> str:
        return self.name if self.at_least is None else f">={self.at_least}%"

    def matches(self, level: str) -> bool:
        if self.at_least is None:
            return self.name == level.replace(" ", "")
        share = _SHARE.fullmatch(level)
        return share is not None and int(share[1]) >= self.at_least


class Route(BaseModel):
    """One `[[routes]]` table of the configuration.

    Attributes:
        meters, kinds, scopes, severities, reasons: globs; if empty, everything matches.
        levels: names of levels such as `90%`, or `>=100%`; if empty, everything matches. Messages without a level, such
            as notices, match only an empty list.
        receivers: names or globs of receivers; if empty, the messages are not sent.
        quiet_hours: when messages are held; None for the general quiet hours, empty for never.
        escalate_after_hours: hours until escalation; 0 for never.
        escalate_to: receivers of a level that has not been acknowledged by then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("", max_length=60)
    meters: Globs = ()
    kinds: Globs = ()
    scopes: Globs = ()
    severities: Globs = ()
    reasons: Globs = ()
    levels: Annotated[tuple[LevelGlob, ...], BeforeValidator(_globs)] = ()
    receivers: ReceiverGlobs = ("*",)
    quiet_hours: Annotated[tuple[QuietSpan, ...], BeforeValidator(_globs)] | None = None
    escalate_after_hours: float = Field(0, ge=0, le=8760)
    escalate_to: ReceiverGlobs = ()

    @field_validator("reasons")
    @classmethod
    def _reasons(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = [reason.value for reason in Reason if reason is not Reason.NONE]
        for item in value:
            if not any(fnmatchcase(reason, item) for reason in known):
                raise ValueError(f"“{item}” is no reason; reasons are {', '.join(known)}")
        return value

    @property
    def escalate_after(self) -> timedelta | None:
        return timedelta(hours=self.escalate_after_hours) if self.escalate_after_hours and self.escalate_to else None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether this route matches a message with these labels."""
        pairs = (
            (self.meters, "meter"),
            (self.kinds, "kind"),
            (self.scopes, "scope"),
            (self.severities, "severity"),
            (self.reasons, "reason"),
        )
        return all(_any(globs, labels.get(name, "")) for globs, name in pairs) and (
            not self.levels or any(item.matches(labels.get("level", "")) for item in self.levels)
        )


def addressed(routes: Sequence[Route], labels: Mapping[str, str], receivers: Sequence[str]) -> list[str]:
    """Return the receivers of a message, in configured order: those of every matching route.

    A message without a matching route goes to every receiver, so that a forgotten route does not lose a warning. A
    matching route without receivers drops it on purpose.
    """
    taking = [route for route in routes if route.matches(labels)]
    if not taking:
        return list(receivers)
    return named(receivers, [glob for route in taking for glob in route.receivers])


def named(receivers: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Return the receivers that match at least one glob, in configured order; without globs none.

    The globs are spelled as `receiver_key` returns them; a receiver may come from a message of an earlier version.
    """
    return [receiver for receiver in receivers if any(fnmatchcase(receiver_key(receiver), glob) for glob in globs)]


def escalations(routes: Sequence[Route], labels: Mapping[str, str]) -> list[tuple[str, Route]]:
    """Return the routes that escalate this message, each with a name that survives restarts."""
    return [
        (route.name or f"route-{number}", route)
        for number, route in enumerate(routes, start=1)
        if route.escalate_after and route.matches(labels)
    ]


def quiet_spans(
    routes: Sequence[Route], labels: Mapping[str, str], receiver: str, general: Sequence[QuietSpan]
) -> list[Sequence[QuietSpan]]:
    """Return the quiet hours of each route to a receiver; the message is held only if all of them are quiet."""
    ways = [route for route in routes if route.matches(labels) and named([receiver], route.receivers)]
    own = [route.quiet_hours for route in ways]
    return [general if hours is None else hours for hours in own] or [general]


def _any(globs: Sequence[str], value: str) -> bool:
    return not globs or any(fnmatchcase(value, glob) for glob in globs)
