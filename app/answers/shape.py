"""What all answers are made of. An answer is what pages, API and `--json` show, and its model is the API's schema.

Fields are added, never removed or renamed. A word that only a newer version knows may lie in the store; where it does,
the answer's field is a plain text.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from app.core.limit import period

#: pydantic neither checks nor writes what is nested deeper than 255 levels.
_DEEPEST: Final = 100
CUT: Final = "[nested too deeply to be shown]"


def _open(schema: dict[str, Any]) -> None:
    """Let documents promise that fields may be added, while nothing but the declared fields is ever written."""
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


#: A moment, in UTC; seconds since the epoch are understood, too.
Moment = Annotated[AwareDatetime, BeforeValidator(_utc)]
#: A text that the store keeps as an empty one where there is none.
Blank = Annotated[str | None, BeforeValidator(lambda value: value or None)]
#: JSON that somebody sent, however deeply it is nested.
Sent = Annotated[JsonValue, BeforeValidator(_cut)]


class Answer(BaseModel):
    """Part of an answer; `plain` gives its JSON values."""

    # Built when first used: a command needs a few of them, and building all takes as long as reading Redis.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, json_schema_extra=_open)

    @classmethod
    def pick(cls, found: Any) -> Self:
        """Return the answer from what core or store keep, whose fields have the same names, and which may have more.

        Args:
            found: an object, or a row as the store gives it.
        """
        if isinstance(found, Mapping):
            return cls.model_validate({name: found[name] for name in cls.model_fields if name in found})
        return cls.model_validate(found, from_attributes=True)

    def plain(self) -> dict[str, Any]:
        """Return the JSON values: moments and days as ISO 8601."""
        return self.model_dump(mode="json")


def one_of(words: type[StrEnum], description: str | None = None) -> Any:
    """Describe a text that is usually one of these words."""
    return Field(description=description, examples=[word.value for word in words])


class Period(Answer):
    start: Moment
    end: Moment | None = Field(description="The first moment after it; null when it never ends.")

    @classmethod
    def of(cls, found: period.Period) -> Self:
        return cls(start=found.starts_at, end=found.ends_at)


class Units(Answer):
    name: Blank = Field(description="Null where notifications did not say.")
    used: int
