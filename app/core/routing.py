"""Routes: which messages go to which receivers, when they may not, and who is told if nobody acknowledges."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from app.core.decision import Reason
from app.core.mailbox import receiver_key
from app.core.quiet import QuietSpan

_AT_LEAST: Final = re.compile(r">=\s*(\d{1,6})\s*%?")
_SHARE: Final = re.compile(r"(\d+)%")


def _globs(value: object) -> object:
    return [value] if isinstance(value, str) else value


Globs = Annotated[tuple[str, ...], BeforeValidator(_globs)]


class Route(BaseModel):
    """One `[[routes]]` table of the configuration.

    Attributes:
        meters, kinds, scopes, severities, reasons: globs; empty takes all.
        levels: names of levels such as `90%`, or `>=100%`; empty takes all. Messages that have no level, such as
            notices, are taken by an empty list only.
        receivers: names or globs of receivers; empty sends what it takes to nobody.
        quiet_hours: when its messages wait; None for the general ones, empty for never.
        escalate_after_hours: 0 for never.
        escalate_to: who is told when a level is not acknowledged by then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("", max_length=60)
    meters: Globs = ()
    kinds: Globs = ()
    scopes: Globs = ()
    severities: Globs = ()
    reasons: Globs = ()
    levels: Globs = ()
    receivers: Globs = ("*",)
    quiet_hours: Globs | None = None
    escalate_after_hours: float = Field(0, ge=0, le=8760)
    escalate_to: Globs = ()

    @field_validator("levels")
    @classmethod
    def _levels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if item.startswith(">") and not _AT_LEAST.fullmatch(item):
                raise ValueError(f"“{item}” is no level: write 90%, soft limit, 900 builds, or >=100%")
        return value

    @field_validator("reasons")
    @classmethod
    def _reasons(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = [reason.value for reason in Reason if reason is not Reason.NONE]
        for item in value:
            if not any(fnmatchcase(reason, item) for reason in known):
                raise ValueError(f"“{item}” is no reason; reasons are {', '.join(known)}")
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _quiet(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for item in value or ():
            QuietSpan.parse(item)
        return value

    @property
    def escalate_after(self) -> timedelta | None:
        return timedelta(hours=self.escalate_after_hours) if self.escalate_after_hours and self.escalate_to else None

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a message with these labels is this route's."""
        pairs = (
            (self.meters, "meter"),
            (self.kinds, "kind"),
            (self.scopes, "scope"),
            (self.severities, "severity"),
            (self.reasons, "reason"),
        )
        return all(_any(globs, labels.get(name, "")) for globs, name in pairs) and (
            not self.levels or any(_is_level(item, labels.get("level", "")) for item in self.levels)
        )


def addressed(routes: Sequence[Route], labels: Mapping[str, str], receivers: Sequence[str]) -> list[str]:
    """Return the receivers of a message, in configured order: those of every route that takes it.

    A message that no route takes goes to everybody: forgetting a route must not lose a warning. A route that takes it
    and names nobody says so on purpose.
    """
    taking = [route for route in routes if route.takes(labels)]
    if not taking:
        return list(receivers)
    return named(receivers, [glob for route in taking for glob in route.receivers])


def named(receivers: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Return the receivers that at least one of the globs names, in configured order; without globs nobody."""
    keys = [receiver_key(glob) for glob in globs]
    return [receiver for receiver in receivers if any(fnmatchcase(receiver_key(receiver), key) for key in keys)]


def escalations(routes: Sequence[Route], labels: Mapping[str, str]) -> list[tuple[str, Route]]:
    """Return the routes that escalate this message, each with a name that stays the same over restarts."""
    return [
        (route.name or f"route-{number}", route)
        for number, route in enumerate(routes, start=1)
        if route.escalate_after and route.takes(labels)
    ]


def quiet_spans(
    routes: Sequence[Route], labels: Mapping[str, str], receiver: str, general: Sequence[QuietSpan]
) -> list[Sequence[QuietSpan]]:
    """Return the quiet hours of each way by which a message reaches a receiver: one that is open is enough."""
    ways = [route for route in routes if route.takes(labels) and named([receiver], route.receivers)]
    own = [route.quiet_hours for route in ways]
    spans = [general if hours is None else [QuietSpan.parse(item) for item in hours] for hours in own]
    return list(spans) or [general]


def _any(globs: Sequence[str], value: str) -> bool:
    return not globs or any(fnmatchcase(value, glob) for glob in globs)


def _is_level(item: str, level: str) -> bool:
    at_least, share = _AT_LEAST.fullmatch(item), _SHARE.fullmatch(level)
    if at_least:
        return share is not None and int(share[1]) >= int(at_least[1])
    return item.replace(" ", "") == level.replace(" ", "")
