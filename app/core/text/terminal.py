"""Text of others for a terminal, which would carry out what it finds in it."""

import json
import re
from typing import Any, Final

#: C0 but line feed and tab, DEL, C1, what turns the direction of writing, and separators of lines.
_ACTS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]",
)


def visible(text: str) -> str:
    """Put U+FFFD in the place of every character that a terminal would act on."""
    return _ACTS.sub("\ufffd", text)


def json_text(value: Any, indent: int | None = None) -> str:
    """Write JSON that a terminal only shows; its texts come back as they were."""
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    return _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
