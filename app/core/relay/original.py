"""The original of a notification: the bytes that Coder sent, and what of its headers goes along."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.core.count.redaction import holds_passcode

#: Names the meters that a notification has passed, each as a digest, separated by commas.
VIA: Final = "X-AWB-Via"
#: A notification that has passed this many meters is not forwarded.
MOST_HOPS: Final = 5
_JSON: Final = "application/json"
_LONGEST_HEADER: Final = 500


@dataclass(frozen=True, slots=True)
class Original:
    """One notification as it came in.

    Attributes:
        message_id: the `X-Message-Id` that it came with, else its `msg_id`.
        via: the meters that it has passed before this one.
    """

    body: bytes
    message_id: str
    content_type: str = _JSON
    via: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """Return it as bytes, for encryption."""
        head = json.dumps([self.message_id, self.content_type, list(self.via)], separators=(",", ":"))
        return head.encode() + b"\n" + self.body

    @classmethod
    def unpack(cls, packed: bytes) -> "Original":
        head, _, body = packed.partition(b"\n")
        message_id, content_type, via, *_ = json.loads(head)
        return cls(body, message_id, content_type, tuple(via))


@dataclass(frozen=True, slots=True)
class Subject:
    """What decides where a notification goes.

    Attributes:
        recipient: the address of the person it is for; empty where it names none.
        passcode: it carries a one-time passcode.
    """

    template_id: str
    name: str
    recipient: str
    passcode: bool


def subject_of(envelope: Mapping[str, Any]) -> Subject:
    """Read from a whole notification, which has passed `read_delivery`."""
    payload = envelope["payload"]
    return Subject(
        template_id=_text(payload.get("notification_template_id")).lower(),
        name=_text(payload.get("notification_name")),
        recipient=_text(payload.get("user_email")).strip(),
        passcode=holds_passcode(payload),
    )


def read_via(header: str | None) -> tuple[str, ...]:
    """Read the header that names the meters passed."""
    return tuple(part.strip() for part in (header or "")[:_LONGEST_HEADER].split(",") if part.strip())


def read_content_type(header: str | None) -> str:
    """Return what goes along as Content-Type: one line of ASCII, as it came."""
    given = (header or "").strip()
    return given if given and given.isascii() and given.isprintable() and len(given) <= _LONGEST_HEADER else _JSON


def loops(via: tuple[str, ...], instance: str) -> bool:
    """Return whether a notification came back to a meter that forwarded it, or passes far too many."""
    return instance in via or len(via) >= MOST_HOPS


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
