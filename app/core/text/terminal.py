"""Making foreign text safe to print on a terminal, which would act on control characters in it."""

import json
import re
from typing import Any, Final

#: C0 except line feed and tab, DEL, C1, bidi controls, and line separators.
_ACTS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]",
)


def visible(text: str) -> str:
    """Replace every character that a terminal would act on by U+FFFD."""
    return _ACTS.sub("\ufffd", text)


def json_text(value: Any, indent: int | None = None) -> str:
    """Serialize JSON without such characters; parsing it restores the texts."""
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    return _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
