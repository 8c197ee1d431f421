"""What all notifiers do to text before their own markup: names come from people, and no name may block a message."""

import re
from typing import Final

from app.core.alert import Severity

#: Sign and word of a severity; the word is always there, so that neither colour nor emoji speaks alone.
SIGNS: Final = {
    Severity.OK: ("✅", "OK"),
    Severity.WARNING: ("⚠️", "Warning"),
    Severity.CRITICAL: ("🚨", "Critical"),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BIDI = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_WEB_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f-\x9f]+", re.IGNORECASE)


def one_line(text: str) -> str:
    """Make one line without control characters, bidi controls and half surrogate pairs."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _BIDI.sub("", _CONTROL.sub(" ", whole)).strip()


def is_web_link(url: str) -> bool:
    """Tell whether this may be shown as a link."""
    return _WEB_URL.fullmatch(url) is not None
