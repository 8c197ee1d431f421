"""The original of a notification: the bytes that Coder sent, and the headers that are passed on with them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.core.count.redaction import holds_passcode
from app.core.text.compact import compact

#: The header with the meters that a notification has passed, each as a digest, separated by commas.
VIA: Final = "X-AWB-Via"
#: A notification that has passed this many meters is not forwarded again.
MOST_HOPS: Final = 5
_JSON: Final = "application/json"
_LONGEST_HEADER: Final = 500


@dataclass(frozen=True, slots=True)
class Original:
    """One notification as it was received.

    Attributes:
        message_id: its `X-Message-Id` header, or else its `msg_id`.
        via: the meters that it passed before this one.
    """

    body: bytes
    message_id: str
    content_type: str = _JSON
    via: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """Serialize it for encryption."""
        head = compact([self.message_id, self.content_type, list(self.via)])
        return head.encode() + b"\n" + self.body

    @classmethod
    def unpack(cls, packed: bytes) -> "Original":
        head, _, body = packed.partition(b"\n")
        message_id, content_type, via, *_ = json.loads(head)
        return cls(body, message_id, content_type, tuple(via))


@dataclass(frozen=True, slots=True)
class Subject:
    """The properties that determine where a notification goes.

    Attributes:
        recipient: the address of the person it is for; empty if it has none.
        passcode: whether it contains a one-time passcode.
    """

    template_id: str
    name: str
    recipient: str
    passcode: bool


def subject_of(envelope: Mapping[str, Any]) -> Subject:
    """Return the subject of a complete notification that has passed `read_delivery`."""
    payload = envelope["payload"]
    return Subject(
        template_id=_text(payload.get("notification_template_id")).lower(),
        name=_text(payload.get("notification_name")),
        recipient=_text(payload.get("user_email")).strip(),
        passcode=holds_passcode(payload),
    )


def read_via(header: str | None) -> tuple[str, ...]:
    """Parse the header that lists the meters passed."""
    return tuple(part.strip() for part in (header or "")[:_LONGEST_HEADER].split(",") if part.strip())


def read_content_type(header: str | None) -> str:
    """Return the Content-Type to pass on: the one received if it is one line of ASCII."""
    given = (header or "").strip()
    return given if given and given.isascii() and given.isprintable() and len(given) <= _LONGEST_HEADER else _JSON


def loops(via: tuple[str, ...], instance: str) -> bool:
    """Return whether a meter gets back a notification that it forwarded, or one that has passed too many meters."""
    return instance in via or len(via) >= MOST_HOPS


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
