"""The base of all answers. An answer is what pages, the API and `--json` show, and its model is the API's schema.

Fields are added, never removed or renamed. If the store may contain a value that only a newer version knows, the
answer's field is plain text.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from app.core.limit import period

#: pydantic neither validates nor serializes data nested deeper than 255 levels.
_DEEPEST: Final = 100
CUT: Final = "[nested too deeply to be shown]"


def _open(schema: dict[str, Any]) -> None:
    """Let the schema allow additional fields in the future, although only the declared fields are written."""
    schema.pop("additionalProperties", None)


def _utc(value: Any) -> Any:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _cut(value: Any, left: int = _DEEPEST) -> Any:
    if not isinstance(value, dict | list | tuple):
        return value
    if not left:
        return CUT
    if isinstance(value, dict):
        return {name: _cut(item, left - 1) for name, item in value.items()}
    return [_cut(item, left - 1) for item in value]


#: A moment, in UTC; seconds since the epoch are accepted, too.
Moment = Annotated[AwareDatetime, BeforeValidator(_utc)]
#: A text that is null instead of empty.
Blank = Annotated[str | None, BeforeValidator(lambda value: value or None)]
#: JSON from a client, however deeply it is nested.
Sent = Annotated[JsonValue, BeforeValidator(_cut)]


class Answer(BaseModel):
    """A part of an answer; `plain` returns its JSON values."""

    # Built when first used: a command needs few of them, and building all takes as long as reading Redis.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, json_schema_extra=_open)

    @classmethod
    def pick(cls, found: Any) -> Self:
        """Build the answer from an object of core or store with fields of the same names, and possibly more.

        Args:
            found: an object, or a row from the store.
        """
        if isinstance(found, Mapping):
            return cls.model_validate({name: found[name] for name in cls.model_fields if name in found})
        return cls.model_validate(found, from_attributes=True)

    def plain(self) -> dict[str, Any]:
        """Return the JSON values; moments and days are in ISO 8601."""
        return self.model_dump(mode="json")


def one_of(words: type[StrEnum], description: str | None = None) -> Any:
    """Describe a text that is usually one of these values."""
    return Field(description=description, examples=[word.value for word in words])


class Period(Answer):
    start: Moment
    end: Moment | None = Field(description="The first moment after it; null if it is endless.")

    @classmethod
    def of(cls, found: period.Period) -> Self:
        return cls(start=found.starts_at, end=found.ends_at)


class Units(Answer):
    name: Blank = Field(description="Null if the notifications did not contain it.")
    used: int
