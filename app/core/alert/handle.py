"""Handles of messages that were sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Handle:
    """Where a receiver stored a message, so that it can be updated or answered later.

    Attributes:
        place: the receiver's id of the place, such as a Slack channel id.
        message: the receiver's id of the message, such as Slack's `ts`.
    """

    place: str
    message: str
