"""Reading what another version of this service may have written, before an upgrade or a rollback.

Fields that are not known are ignored, fields that are missing have a default, and a word that is not known stands for
one that is. The adapters are built once, at import.
"""

import json
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter, ValidationError

_Word = TypeVar("_Word", bound=StrEnum)

_Shape = TypeVar("_Shape")

#: Written as Python writes it, with `+00:00`; earlier versions did the same.
Moment = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str, when_used="json")]
Day = Annotated[date, PlainSerializer(date.isoformat, return_type=str, when_used="json")]


def read(adapter: TypeAdapter[_Shape], stored: str | bytes) -> _Shape:
    """Read JSON.

    Raises:
        ValueError: it is something else.
    """
    try:
        return adapter.validate_json(stored)
    except ValidationError:
        # Python writes and reads half surrogate pairs, which pydantic's own parser refuses.
        return adapter.validate_python(json.loads(stored))


def known_or(fallback: _Word) -> BeforeValidator:
    """Take another word for one that only a newer version knows."""
    words = type(fallback)

    def known(value: Any) -> _Word:
        try:
            return words(value)
        except ValueError:
            return fallback

    return BeforeValidator(known)
