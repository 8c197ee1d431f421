"""Which parts of a payload may be stored: names and ids, never secrets, prompts, addresses or free text.

If a key shows that its value is secret, the value is also removed everywhere else.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from app.core.count.secretvalue import TooManySecretsError, without_repeated

#: Replaces a removed value, so that readers can see that there was one.
REDACTED: Final = "[not stored]"

# A passcode message has the code in a label, in the text and in the reset link (Coder template
# 62f86a30-2330-4b61-a26d-311ff3b608cf), so none of its values are stored.
ONE_TIME_PASSCODE_TEMPLATE: Final = "62f86a30-2330-4b61-a26d-311ff3b608cf"
_SECRET_KEY = re.compile(
    r"passcode|password|passwd|secret|token|(?<![a-z])otp(?![a-z])|(api|private|ssh)_?key|credential|authorization|e_?mail"
    r"|prompt"
)
_KEPT_OF_PASSCODE = frozenset({"_version", "notification_name", "notification_template_id", "user_id"})

# The recipient's personal data, which counting does not need. Parameters may contain a task's prompt (up to Coder
# v2.27).
_DROPPED = frozenset({"user_name", "parameters"})
# Labels with text that people wrote. Up to v2.27 the label `task` was the prompt; later it is a name, which is kept.
_FREE_TEXT = frozenset({"task", "custom_title", "custom_message", "chat_title", "template_version_message", "message"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_TEXT = 500
# Patterns for personal data under unknown names: query strings of links, which may contain a code, userinfo, and
# addresses. Each pattern starts only where no earlier match could have started, or stops where the next one starts;
# otherwise a text made of nothing but starts would take quadratic time.
_PERSONAL: Final = (
    re.compile(r"[?#][^\s=?#]*=\S*"),
    re.compile(r"(?<=://)[^/\s]*@"),
    re.compile(r"(?<![\w.!#$%&'+=^`{|}~-])[\w.!#$%&'+=^`{|}~-]++@[\w-]+(?:\.[\w-]+)*"),
)


def redact(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a notification's payload that may be stored and shown.

    Raises:
        RecursionError: the payload is nested deeper than the interpreter's limit.
    """
    try:
        cut = without_repeated(payload, _secret_key)
    except TooManySecretsError:
        return _kind_alone(payload)
    if holds_passcode(payload):
        return _kind_alone(cut)
    return {_unicode(key): _value(key, value) for key, value in cut.items()}


def _kind_alone(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _unicode(payload[key]) for key in _KEPT_OF_PASSCODE if isinstance(payload.get(key), str)}


def holds_passcode(payload: Mapping[str, Any]) -> bool:
    """Return whether this is a one-time passcode, by its template or a label."""
    labels = payload.get("labels")
    return (
        str(payload.get("notification_template_id")).lower() == ONE_TIME_PASSCODE_TEMPLATE
        or "passcode" in str(payload.get("notification_name")).lower()
        or (isinstance(labels, Mapping) and any("passcode" in str(key).lower() for key in labels))
    )


def may_hold_secret(body: bytes) -> bool:
    """Return whether a body that is not a notification might contain a passcode and must not be stored.

    If it is not JSON, this includes anything that a text search could miss: other encodings and escaped characters.
    """
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        if not body.isascii() or b"\\u" in body or b"\0" in body:
            return True
        text = body.decode("ascii")
    lowered = text.lower()
    return "passcode" in lowered or "otp=" in lowered or ONE_TIME_PASSCODE_TEMPLATE in lowered


def _value(key: str, value: Any) -> Any:
    plain, dropped = _key(key)
    if dropped:
        return REDACTED
    if isinstance(value, str):
        return _string(plain, _unicode(value))
    if isinstance(value, dict):
        return {_unicode(inner): _value(inner, item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_value(key, item) for item in value]
    return REDACTED if isinstance(value, float) and not isfinite(value) else value


# The receiver looks up every key of every delivery, and they are always the same few.
@lru_cache(maxsize=1024)
def _secret_key(key: str) -> tuple[str, bool]:
    plain = key.lower().replace("-", "_").replace(" ", "_")
    return plain, _SECRET_KEY.search(plain) is not None


@lru_cache(maxsize=1024)
def _key(key: str) -> tuple[str, bool]:
    plain, secret = _secret_key(key)
    return plain, secret or plain in _DROPPED


def _string(key: str, value: str) -> str:
    if key in _FREE_TEXT and not _NAME.fullmatch(value):
        return REDACTED
    if key == "url":
        return _plain_url(value)
    short = value
    # No pattern matches without one of these.
    if "@" in value or "=" in value:
        # The patterns are slow on long texts. The text is cut again afterwards, so that no match is split by the cut.
        short = value[: 4 * _LONGEST_TEXT]
        for pattern in _PERSONAL:
            short = pattern.sub("", short)
    return short if len(short) <= _LONGEST_TEXT else short[:_LONGEST_TEXT] + "…"


def _plain_url(url: str) -> str:
    """Remove query, fragment and userinfo, because reset links contain a code there."""
    bare = url.split("?", 1)[0].split("#", 1)[0]
    return re.sub(r"^([a-z]+://)[^/]*@", r"\1", bare, flags=re.IGNORECASE)[:_LONGEST_TEXT]


def _unicode(text: str) -> str:
    """Replace lone surrogates, which JSON can express but UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
