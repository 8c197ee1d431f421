"""Types of fields in Coder's answers: texts, ids and lists as Go writes them, which may be null.

They are checked without calls to Python, because a pass reads tens of thousands of them; what they do not need of an
answer is then not even made into objects.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

#: Labels of the alternatives in the location of an error; they are no part of the answer.
UNNAMED: Final = ""
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OrNull:
    """Metadata of a type: null is read as its default.

    Attributes:
        default: makes the default.
    """

    default: Callable[[], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        null = _instead(core_schema.none_schema(), self.default)
        return _either(handler(source), null)


class _Unwrapped:
    """Metadata of an id: Go's NullUUID, `{"uuid": …, "valid": …}`, is read like a plain one; the zero id is empty."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = handler(source)
        zero = _instead(core_schema.literal_schema([_NO_ID]), str)
        other = core_schema.no_info_before_validator_function(_unwrap, text)
        return _either(zero, text, other)


def _instead(found: CoreSchema, default: Callable[[], Any]) -> CoreSchema:
    value = core_schema.no_info_plain_validator_function(lambda _found: default())
    return core_schema.chain_schema([found, value])


def _either(*choices: CoreSchema) -> CoreSchema:
    return core_schema.union_schema([(choice, UNNAMED) for choice in choices], mode="left_to_right")


def _unwrap(value: Any) -> Any:
    if isinstance(value, dict):
        value = value.get("uuid") if value.get("valid") else None
    return "" if value is None or value == _NO_ID else value


Text = Annotated[str, OrNull(str)]
Id = Annotated[str, _Unwrapped()]
#: A list that is required but may be null, which is how Go writes an empty one.
Listed = Annotated[list[T], OrNull(list)]
