"""Targets of relayed notifications: `relay` is the person it is for, `forward:<name>` is another webhook.

A message waits in one lane of each of its targets. A lane is an ordered queue: a message that cannot be delivered yet
holds up the messages behind it in its lane, but no others.
"""

from dataclasses import dataclass
from typing import Final

#: The target for the person a notification is for.
PERSON: Final = "relay"
_FORWARD: Final = "forward:"
_PERSON: Final = "person:"
_PASSCODE: Final = "passcode:"


@dataclass(frozen=True, slots=True)
class Lane:
    """The lane in which a message waits for one target.

    Attributes:
        target: `relay`, or `forward:<name>`.
        name: `forward:<name>`, `person:<alias>`, or `passcode:<alias>`, which is one for each passcode.
    """

    target: str
    name: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to relay, as the receiver stores it in Redis.

    Attributes:
        template: the name of the notification template, for display.
        sealed: the original, encrypted.
        keep_seconds: the original is deleted after this time, delivered or not.
        passcode: whether it contains a one-time passcode.
    """

    message_id: str
    template: str
    lanes: tuple[Lane, ...]
    sealed: bytes
    keep_seconds: int
    passcode: bool = False


def person_lane(alias: str, *, passcode: bool = False) -> str:
    """Return the name of a person's lane, or of the lane of one passcode."""
    return f"{_PASSCODE if passcode else _PERSON}{alias}"


def is_passcode(lane: str) -> bool:
    """Return whether a lane is that of a passcode."""
    return lane.startswith(_PASSCODE)


def forward_target(name: str) -> str:
    return f"{_FORWARD}{name}"


def forward_name(target: str) -> str | None:
    """Return the name of a forward from its target or lane; None for a person's."""
    return target.removeprefix(_FORWARD) if target.startswith(_FORWARD) else None


def target_of(lane: str) -> str:
    """Return the target whose messages wait in a lane."""
    return PERSON if forward_name(lane) is None else lane
