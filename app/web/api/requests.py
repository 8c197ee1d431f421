"""The query parameters and bodies of requests to the API, with strict validation."""

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
    """Describe the values that a validator accepts."""
    return WithJsonSchema({"type": "string", **schema, "description": description})


def _moment_or_day(description: str) -> WithJsonSchema:
    return _text(description, anyOf=[{"format": "date"}, {"format": "date-time"}])


def seal(place: str) -> str:
    """Make a cursor of a position in a list. It is opaque, so that no client relies on its content."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _open_cursor(text: str) -> str:
    try:
        place = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        Place.parse(place)
    except (ValueError, binascii.Error):
        raise ValueError("is not a cursor of this API; leave it out to start at the first page") from None
    return place


def _limit(text: Any) -> Any:
    if isinstance(text, str) and not (_NUMBER.fullmatch(text) and 1 <= int(text) <= MOST):
        raise ValueError(f"must be a number from 1 to {MOST}")
    return text


def _moment(text: str) -> datetime:
    try:
        if _DAY.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("must be a day such as 2030-05-17 (UTC), or a moment such as 2030-05-17T12:00:00Z; write + as %2B")


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("must be a UTC day such as 2030-05-17")


def _deployment(text: str) -> str:
    if not DEPLOYMENT_NAME.fullmatch(text):
        raise ValueError("must contain only lower-case letters, digits and dashes")
    return text


Cursor = Annotated[
    str,
    BeforeValidator(_open_cursor),
    _text("`next` of the previous page; none for the first page.", minLength=1),
]
Limit = Annotated[
    int, Field(ge=1, le=MOST, description="The maximum number of rows on a page."), BeforeValidator(_limit)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


RelayTarget = Annotated[
    str,
    StringConstraints(pattern=r"^(relay|forward:[a-z0-9-]{1,40})$"),
    Field(description="`relay` for people, or `forward:` and the name of another webhook."),
]


class Query(BaseModel):
    """The query parameters of an operation; these are accepted by all."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    deployment: (
        Annotated[
            str,
            BeforeValidator(_deployment),
            _text("A deployment other than the configured one.", pattern=f"^{DEPLOYMENT_NAME.pattern}$"),
        ]
        | None
    ) = None


class UsageQuery(Query):
    period: (
        Annotated[date, BeforeValidator(_day), _text("First or any other day of a past period.", format="date")] | None
    ) = None


class PageQuery(Query):
    cursor: Cursor | None = None
    limit: Limit = _USUAL


class RecordsQuery(PageQuery):
    start: (
        Annotated[
            datetime,
            BeforeValidator(_moment),
            _moment_or_day("The earliest moment; a day starts at midnight UTC."),
        ]
        | None
    ) = Field(None, alias="from")
    end: (
        Annotated[
            datetime,
            BeforeValidator(_moment),
            _moment_or_day("The end of the range, excluded."),
        ]
        | None
    ) = Field(None, alias="to")
    user: Annotated[Name, Field(description="Only builds of this user's workspaces.")] | None = None
    template: Annotated[Name, Field(description="Only builds of this template.")] | None = None
    organization: Annotated[Name, Field(description="Only builds of this organization.")] | None = None
    state: Literal["provisional", "proved"] | None = None


class RelaysQuery(PageQuery):
    target: RelayTarget | None = None
    state: Literal["pending", "failed"] | None = Field(None, description="Only pending or failed ones of the target.")


class LimitQuery(Query):
    limit: Limit = _USUAL


class NoQuery(BaseModel):
    """No parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """The body of a request, as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class AcknowledgeBody(Body):
    level: str = Field("", max_length=100, description="The level to acknowledge; empty for the current one.")


class SilenceBody(Body):
    matchers: dict[Literal[FIELDS], Annotated[str, StringConstraints(min_length=1, max_length=500)]] = Field(  # type: ignore[valid-type]
        min_length=1, description="A glob for each label; messages that match all of them are not sent."
    )
    until: AwareDatetime = Field(description="The end, with time zone; at most 400 days away.")
    comment: str = Field("", max_length=500, description="The reason, for other people.")
    key: str = Field("", max_length=100, description="A repeated request with the same key creates no second silence.")


class NotifyTestBody(Body):
    receiver: str = Field(min_length=1, max_length=320, description="One of /receivers.")


class ReplayBody(Body):
    target: RelayTarget


def objections(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Return what is wrong with a query or a body, as one sentence for each error, without repeating what was sent."""
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
