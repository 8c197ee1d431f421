"""Parsing of data that another version of this service may have written, before an upgrade or a rollback.

Unknown fields are ignored, missing fields get a default, and an unknown value of an enumeration becomes a known one.
Adapters are built once, at import.
"""

import json
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter, ValidationError

_Word = TypeVar("_Word", bound=StrEnum)

_Shape = TypeVar("_Shape")

#: Serialized in Python's format, with `+00:00`, as in earlier versions.
Moment = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str, when_used="json")]
Day = Annotated[date, PlainSerializer(date.isoformat, return_type=str, when_used="json")]


def read(adapter: TypeAdapter[_Shape], stored: str | bytes) -> _Shape:
    """Parse JSON.

    Raises:
        ValueError: the text does not have this shape.
    """
    try:
        return adapter.validate_json(stored)
    except ValidationError:
        # Python reads and writes lone surrogates, which pydantic's own parser rejects.
        return adapter.validate_python(json.loads(stored))


def known_or(fallback: _Word) -> BeforeValidator:
    """Replace a value that only a newer version knows by a fallback."""
    words = type(fallback)

    def known(value: Any) -> _Word:
        try:
            return words(value)
        except ValueError:
            return fallback

    return BeforeValidator(known)
