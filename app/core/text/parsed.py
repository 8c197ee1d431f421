"""Values that are written as text: settings hold the parsed value, and `awb settings` shows the text."""

from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Parsed:
    """Base class of a value that pydantic parses with `parse` and serializes with `str`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a text.

        Raises:
            ValueError: with the allowed forms.
        """
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Define parsing and serialization for pydantic; a parsed value is accepted as it is."""
        del source, handler
        written = core_schema.plain_serializer_function_ser_schema(str)
        return core_schema.no_info_plain_validator_function(cls._read, serialization=written)

    @classmethod
    def _read(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ValueError("takes a text")  # noqa: TRY004 - pydantic collects ValueError alone
        return cls.parse(str(value))
