"""The search language of Coder's lists: `key:value key:"quoted value" word`, all in lower case."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

#: Page numbers are Go's int32.
_MOST: Final = 2**31 - 1
_TERM: Final = re.compile(r'(?:[^\s"]|"[^"]*")+')
_PART: Final = re.compile(r'(?:[^:"]|"[^"]*")+')


class BadRequestError(ValueError):
    """Something that Coder answers with 400.

    Attributes:
        validations: (field, detail) pairs.
    """

    def __init__(self, message: str, *validations: tuple[str, str]) -> None:
        super().__init__(message)
        self.validations = validations


def terms(query: str, keys: frozenset[str], word: str, message: str) -> dict[str, str]:
    """Read a search query.

    Args:
        query: as the client sent it.
        keys: what may be searched for.
        word: the key that a term without one has.
        message: what to say of a wrong query.

    Raises:
        BadRequestError: the query has an unknown key, or a value with a colon that is not quoted.
    """
    found: dict[str, str] = {}
    for term in _TERM.findall(query.lower()):
        parts = [part.replace('"', "") for part in _PART.findall(term)]
        if len(parts) > 2:  # noqa: PLR2004 - key and value
            raise BadRequestError(message, ("q", f"{term!r} can contain only one ':'"))
        key, value = parts if len(parts) > 1 else (word, parts[0])
        if key not in keys:
            raise BadRequestError(message, (key, f'"{key}" is not a valid query param'))
        found[key] = value
    return found


def boolean(found: Mapping[str, str], key: str) -> bool | None:
    """Return a truth value, None where it is not searched for."""
    value = found.get(key)
    if value is None:
        return None
    if value not in {"true", "false", "1", "0", "t", "f"}:
        raise BadRequestError("Invalid search query.", (key, f"{value!r} is not a valid boolean"))
    return value in {"true", "1", "t"}


def moment(found: Mapping[str, str], key: str, message: str = "Invalid search query.") -> datetime | None:
    """Return a time, None where it is not searched for."""
    value = found.get(key)
    if not value:
        return None
    try:
        read = datetime.fromisoformat(value.upper())
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise BadRequestError(message, (key, f"{value!r} is not RFC 3339"))
    return read


def page(parameters: Mapping[str, str]) -> tuple[int, int]:
    """Return limit and offset; a limit of 0 is none."""
    numbers = []
    for key in ("limit", "offset"):
        text = parameters.get(key) or "0"
        if not text.isascii() or not text.isdigit() or int(text) > _MOST:
            raise BadRequestError("Query parameters have invalid values.", (key, f"{text!r} is not a positive int32"))
        numbers.append(int(text))
    return numbers[0], numbers[1]
