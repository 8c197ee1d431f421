"""The search syntax of Coder's lists: `key:value key:"quoted value" word`, all in lower case."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

#: Coder reads page numbers as Go's int32.
_MOST: Final = 2**31 - 1
_TERM: Final = re.compile(r'(?:[^\s"]|"[^"]*")+')
_PART: Final = re.compile(r'(?:[^:"]|"[^"]*")+')


class BadRequestError(ValueError):
    """A request that Coder rejects with 400.

    Attributes:
        validations: (field, detail) pairs.
    """

    def __init__(self, message: str, *validations: tuple[str, str]) -> None:
        super().__init__(message)
        self.validations = validations


def terms(query: str, keys: frozenset[str], word: str, message: str) -> dict[str, str]:
    """Parse a search query into its terms.

    Args:
        query: the query as the client sent it.
        keys: the keys that may be searched for.
        word: the key of a term that has none.
        message: the error message for an invalid query.

    Raises:
        BadRequestError: the query has an unknown key, or an unquoted value with a colon.
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
    """Return a Boolean search term; None if the search has no such key."""
    value = found.get(key)
    if value is None:
        return None
    if value not in {"true", "false", "1", "0", "t", "f"}:
        raise BadRequestError("Invalid search query.", (key, f"{value!r} is not a valid boolean"))
    return value in {"true", "1", "t"}


def moment(found: Mapping[str, str], key: str, message: str = "Invalid search query.") -> datetime | None:
    """Return a time from the search; None if the search has no such key."""
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
    """Return the limit and the offset; a limit of 0 means no limit."""
    numbers = []
    for key in ("limit", "offset"):
        text = parameters.get(key) or "0"
        if not text.isascii() or not text.isdigit() or int(text) > _MOST:
            raise BadRequestError("Query parameters have invalid values.", (key, f"{text!r} is not a positive int32"))
        numbers.append(int(text))
    return numbers[0], numbers[1]
