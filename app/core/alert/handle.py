"""Handles of messages that were sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Handle:
    """Where a receiver put a message, so that later ones can update it or answer it.

    Attributes:
        place: as the receiver names it, such as a Slack channel id.
        message: as the receiver names it, such as Slack's `ts`.
    """

    place: str
    message: str
