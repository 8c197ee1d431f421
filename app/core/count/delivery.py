"""Deliveries and events: a delivery is one POST from Coder, an event is its parsed content.

Envelope and payload shapes: Coder's webhook v1.0 and v1.1 with payload v1.0 to v1.2
(coderd/notifications/dispatch/webhook.go and types/payload.go).
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from app.core.count.redaction import redact

# RQ accepts only these characters in a job id, and the message id becomes part of one.
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORKSPACE_LINK = re.compile(r"https?://[^/]+/@([^/]+)/([^/?#]+)")
#: How the reason for a body that is not JSON begins.
NOT_JSON = "not valid JSON"
#: Levels of a payload at most, far more than Coder's have. Where the interpreter's own limit lies depends on its
#: version and on who calls; a payload that the receiver took must not be too deep for the worker.
MOST_LEVELS = 350
NIL_UUID = "00000000-0000-0000-0000-000000000000"


class InvalidDeliveryError(ValueError):
    """An authenticated body that is not a Coder notification.

    Attributes:
        reason: one sentence without any of the body's content, for the quarantine.
        message_id: the id under which to quarantine it; a hash of the body if it has none.
    """

    def __init__(self, reason: str, message_id: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message_id = message_id


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the receiver puts into the queue: redacted, and small enough to store."""

    message_id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """The parsed content of a delivery. Names that the payload lacks are empty strings.

    Attributes:
        received_at: time of arrival, in seconds since the epoch.
        workspace_id: Coder's UUID; `name:<owner>/<workspace>` for payloads before v1.2; otherwise empty.
        owner: user name of the workspace's owner; the recipient's only if a template is always sent to the owner.
        build_number: the number of the build that the notification names, if any.
        payload: the redacted payload, for rules on `labels.…` and `data.…`.
    """

    deployment: str
    message_id: str
    received_at: float
    template_id: str
    name: str
    workspace_id: str
    workspace: str
    owner: str
    template: str
    organization: str
    build_number: int | None
    payload: Mapping[str, Any]


def read_delivery(body: bytes, header_message_id: str | None = None) -> Delivery:
    """Parse a webhook body. Unknown fields are kept; secrets and personal data are removed.

    Args:
        body: the raw request body.
        header_message_id: the `X-Message-Id` header, used if the body has no `msg_id`.

    Raises:
        InvalidDeliveryError: the body is not a Coder notification; a retry would not help.
    """
    fallback = _fallback_id(body, header_message_id)
    try:
        envelope = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise InvalidDeliveryError("JSON is nested too deeply", fallback) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidDeliveryError(f"{NOT_JSON} ({type(error).__name__})", fallback) from None
    if not isinstance(envelope, dict):
        raise InvalidDeliveryError("the body is JSON, but not an object", fallback)
    payload = envelope.get("payload")
    if not isinstance(payload, dict):
        raise InvalidDeliveryError("no object `payload`: is this Coder's webhook method?", fallback)
    if not any(_text(payload, key) for key in ("notification_template_id", "notification_name")):
        raise InvalidDeliveryError("`payload` names no notification_template_id and no notification_name", fallback)
    message_id = envelope.get("msg_id") or header_message_id
    if not isinstance(message_id, str) or not _MESSAGE_ID.fullmatch(message_id):
        raise InvalidDeliveryError("`msg_id` is missing or not an id", fallback)
    # Most bodies have fewer brackets than that.
    if body.count(b"{") + body.count(b"[") > MOST_LEVELS and _levels_exceed(payload, MOST_LEVELS):
        raise InvalidDeliveryError("JSON is nested too deeply", fallback)
    return Delivery(message_id, redact(payload))


def _levels_exceed(value: Any, most: int) -> bool:
    """Return whether objects and lists are nested in more levels than that; itself not recursive."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def to_event(deployment: str, message_id: str, received_at: float, payload: Mapping[str, Any]) -> Event:
    """Extract the workspace, its owner and its template from wherever this version of the payload has them.

    `payload.targets[0]` is the workspace id in every workspace and task template; `data` and the links in
    `actions` serve older payloads (FACTS: coderd/notifications/enqueuer.go).
    """
    labels = _mapping(payload, "labels")
    data = _mapping(payload, "data")
    link_owner, link_workspace = _from_links(payload)
    name = _text(payload, "notification_name")
    workspace = (
        _text(labels, "workspace")
        or _text(_mapping(data, "workspace"), "name")
        or link_workspace
        or (_text(labels, "name") if name.startswith("Workspace") else "")
    )
    owner = (
        _text(labels, "workspace_owner_username")
        or link_owner
        # The user's display name, if there is one.
        or _text(_mapping(data, "owner"), "name")
        or (_text(payload, "user_username") if name.startswith("Task") else "")
    )
    return Event(
        deployment=deployment,
        message_id=message_id,
        received_at=received_at,
        template_id=_text(payload, "notification_template_id").lower(),
        name=name,
        workspace_id=_workspace_id(payload, data, owner, workspace),
        workspace=workspace,
        owner=owner.lower(),
        template=_text(labels, "template")
        or _text(labels, "template_name")
        or _text(_mapping(data, "template"), "name"),
        organization=_text(labels, "organization") or _text(labels, "org"),
        build_number=_build_number(labels),
        payload=payload,
    )


def _fallback_id(body: bytes, header_message_id: str | None) -> str:
    if header_message_id and _MESSAGE_ID.fullmatch(header_message_id):
        return header_message_id
    return "sha256-" + hashlib.sha256(body).hexdigest()[:32]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    """Parse a number. One such as 1e999 would become infinity, which JSON cannot represent."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def _mapping(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = of.get(key)
    return value if isinstance(value, Mapping) else {}


def _text(of: Mapping[str, Any], key: str) -> str:
    value = of.get(key)
    return value if isinstance(value, str) else ""


def _from_links(payload: Mapping[str, Any]) -> tuple[str, str]:
    actions = payload.get("actions")
    for action in actions if isinstance(actions, list) else []:
        found = _WORKSPACE_LINK.match(_text(action, "url")) if isinstance(action, Mapping) else None
        if found:
            return found.group(1), found.group(2)
    return "", ""


def _workspace_id(payload: Mapping[str, Any], data: Mapping[str, Any], owner: str, workspace: str) -> str:
    if not workspace:
        return ""
    targets = payload.get("targets")
    first = targets[0] if isinstance(targets, list) and targets else None
    for candidate in (first, _mapping(data, "workspace").get("id")):
        if isinstance(candidate, str) and _MESSAGE_ID.fullmatch(candidate) and candidate != NIL_UUID:
            return candidate.lower()
    return f"name:{owner.lower()}/{workspace.lower()}" if owner else ""


def _build_number(labels: Mapping[str, Any]) -> int | None:
    for key in ("workspace_build_number", "workspace_build_num"):
        text = _text(labels, key)
        if text.isdecimal() and len(text) < 10:  # noqa: PLR2004 - an int4 in Coder's database
            return int(text)
    return None
