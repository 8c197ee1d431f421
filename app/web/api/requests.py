"""What requests to the API may hold, checked strictly: query parameters and bodies."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from app.config.types import DEPLOYMENT_NAME
from app.core.alert.silence import FIELDS
from app.core.text.spelling import did_you_mean
from app.store.timeline import Place

MOST: Final = 500
_USUAL: Final = 100
_NUMBER: Final = re.compile(r"[0-9]{1,3}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT: Final = re.compile(rf"{_DAY.pattern}T[0-9:.]{{5,20}}(Z|[+-][0-9]{{2}}:[0-9]{{2}})")
_SHOWN: Final = 80


def _text(description: str, **schema: Any) -> WithJsonSchema:
    """Say in the document what a validator takes."""
    return WithJsonSchema({"type": "string", **schema, "description": description})


def _moment_or_day(description: str) -> WithJsonSchema:
    return _text(description, anyOf=[{"format": "date"}, {"format": "date-time"}])


def seal(place: str) -> str:
    """Make a cursor of a place in a list: opaque, so that nobody builds upon what is in it."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _open_cursor(text: str) -> str:
    try:
        place = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        Place.parse(place)
    except (ValueError, binascii.Error):
        raise ValueError("is not one that this API gave out; leave it out to start anew") from None
    return place


def _limit(text: Any) -> Any:
    if isinstance(text, str) and not (_NUMBER.fullmatch(text) and 1 <= int(text) <= MOST):
        raise ValueError(f"is a number from 1 to {MOST}")
    return text


def _moment(text: str) -> datetime:
    try:
        if _DAY.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("is a day such as 2030-05-17 (UTC), or a moment such as 2030-05-17T12:00:00Z; + is %2B in a URL")


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("is a UTC day such as 2030-05-17")


def _deployment(text: str) -> str:
    if not DEPLOYMENT_NAME.fullmatch(text):
        raise ValueError("takes lower-case letters, digits and dashes")
    return text


Cursor = Annotated[
    str,
    BeforeValidator(_open_cursor),
    _text("`next` of the page before; none for the first page.", minLength=1),
]
Limit = Annotated[
    int, Field(ge=1, le=MOST, description="The most rows that one page is to hold."), BeforeValidator(_limit)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


RelayTarget = Annotated[
    str,
    StringConstraints(pattern=r"^(relay|forward:[a-z0-9-]{1,40})$"),
    Field(description="`relay` for people, or `forward:` and the name of another webhook."),
]


class Query(BaseModel):
    """The query parameters of an operation; this one is taken by all."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    deployment: (
        Annotated[
            str,
            BeforeValidator(_deployment),
            _text("Another deployment than the configured one.", pattern=f"^{DEPLOYMENT_NAME.pattern}$"),
        ]
        | None
    ) = None


class UsageQuery(Query):
    period: (
        Annotated[
            date, BeforeValidator(_day), _text("First day of an older period, or any other day of it.", format="date")
        ]
        | None
    ) = None


class PageQuery(Query):
    cursor: Cursor | None = None
    limit: Limit = _USUAL


class RecordsQuery(PageQuery):
    start: (
        Annotated[
            datetime,
            BeforeValidator(_moment),
            _moment_or_day("The earliest moment; a day begins at midnight UTC."),
        ]
        | None
    ) = Field(None, alias="from")
    end: (
        Annotated[
            datetime,
            BeforeValidator(_moment),
            _moment_or_day("The first moment that is too late."),
        ]
        | None
    ) = Field(None, alias="to")
    user: Annotated[Name, Field(description="Builds of this user's workspaces alone.")] | None = None
    template: Annotated[Name, Field(description="Builds of this template alone.")] | None = None
    organization: Annotated[Name, Field(description="Builds of this organization alone.")] | None = None
    state: Literal["provisional", "proved"] | None = None


class RelaysQuery(PageQuery):
    target: RelayTarget | None = None
    state: Literal["pending", "failed"] | None = Field(None, description="Those of the target that wait, or failed.")


class LimitQuery(Query):
    limit: Limit = _USUAL


class NoQuery(BaseModel):
    """No parameter at all."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """The body of a request, as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class AcknowledgeBody(Body):
    level: str = Field("", max_length=100, description="The level that is meant; empty for the one that stands.")


class SilenceBody(Body):
    matchers: dict[Literal[FIELDS], Annotated[str, StringConstraints(min_length=1, max_length=500)]] = Field(  # type: ignore[valid-type]
        min_length=1, description="Glob by label; a message that all of them match is not sent."
    )
    until: AwareDatetime = Field(description="The end, with time zone; at most 400 days off.")
    comment: str = Field("", max_length=500, description="Why; people read it.")
    key: str = Field("", max_length=100, description="The same key again makes no second silence.")


class NotifyTestBody(Body):
    receiver: str = Field(min_length=1, max_length=320, description="One of /receivers.")


class ReplayBody(Body):
    target: RelayTarget


def objections(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Say what is wrong with a query or a body, a sentence for each mistake, without repeating what was sent."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    return [_objection(dict(item), names) for item in error.errors(include_url=False, include_input=False)]


def _objection(item: Mapping[str, Any], names: list[str]) -> str:
    place = ".".join(str(part)[:_SHOWN] for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"There is no `{place}`{did_you_mean(place, names)}."
    if item["type"] == "missing":
        return f"`{place}` is missing."
    if item["type"] == "value_error":
        return f"`{place}` {str(item['msg']).removeprefix('Value error, ')}."
    return f"`{place}`: {item['msg']}."
