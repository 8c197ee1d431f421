"""Targets of relayed notifications: `relay` is the person it is for, `forward:<name>` another webhook.

Each message waits in a lane of each of its targets. A lane is a queue in order: a message that cannot be delivered yet
holds up those behind it in its lane, and nothing else.
"""

from dataclasses import dataclass
from typing import Final

#: The target that is the person the notification is for.
PERSON: Final = "relay"
_FORWARD: Final = "forward:"
_PERSON: Final = "person:"
_PASSCODE: Final = "passcode:"


@dataclass(frozen=True, slots=True)
class Lane:
    """Where one message waits for one target.

    Attributes:
        target: `relay`, or `forward:<name>`.
        name: of the lane: `forward:<name>`, `person:<alias>`, or `passcode:<alias>`, one for each passcode.
    """

    target: str
    name: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to relay, as the receiver hands it to Redis.

    Attributes:
        template: name of the notification's template, for people to read.
        sealed: the original, encrypted.
        keep_seconds: after this time the original is gone, delivered or not.
        passcode: it carries a one-time passcode.
    """

    message_id: str
    template: str
    lanes: tuple[Lane, ...]
    sealed: bytes
    keep_seconds: int
    passcode: bool = False


def person_lane(alias: str, *, passcode: bool = False) -> str:
    """Name the lane of a person, or that of one passcode."""
    return f"{_PASSCODE if passcode else _PERSON}{alias}"


def is_passcode(lane: str) -> bool:
    """Tell whether a lane is that of a passcode."""
    return lane.startswith(_PASSCODE)


def forward_target(name: str) -> str:
    return f"{_FORWARD}{name}"


def forward_name(target: str) -> str | None:
    """Return the name of a forward by its target or its lane; None where it is a person's."""
    return target.removeprefix(_FORWARD) if target.startswith(_FORWARD) else None


def target_of(lane: str) -> str:
    """Return the target whose messages wait in a lane."""
    return PERSON if forward_name(lane) is None else lane
