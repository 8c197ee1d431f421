"""Errors of Coder's API: one exception with a fixed list of kinds, and what an admin should do."""

import ssl
from enum import StrEnum
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin

import requests
import urllib3
from pydantic import BaseModel, Field, ValidationError

from app import clock
from app.core.coder.values import UNNAMED
from app.core.text.retryafter import seconds_to_wait
from app.core.text.weburl import origin
from app.net import trust

_LONGEST_RETRY_AFTER: Final = 3600.0
_LONGEST_FIELD: Final = 100


class Failure(StrEnum):
    """The kinds of failure, for metrics and for the decision what to do next."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    REDIRECTED = "redirected"
    BAD_ANSWER = "bad_answer"
    REJECTED = "rejected"


_PERMANENT: Final = frozenset(
    {Failure.UNAUTHORIZED, Failure.FORBIDDEN, Failure.NOT_FOUND, Failure.REDIRECTED, Failure.REJECTED}
)
_NOTHING_THERE: Final = Failure.NOT_FOUND, "Coder has nothing there, or does not show it to the token's user"
_MEANINGS: Final[dict[int, tuple[Failure, str]]] = {
    HTTPStatus.UNAUTHORIZED: (
        Failure.UNAUTHORIZED,
        "the token is wrong or expired: make a new one with `coder tokens create` and set AWB_CODER_TOKEN to it",
    ),
    HTTPStatus.FORBIDDEN: (
        Failure.FORBIDDEN,
        "Coder does not allow this to the token: `awb coder check` says which roles it lacks",
    ),
    HTTPStatus.NOT_FOUND: _NOTHING_THERE,
    HTTPStatus.GONE: _NOTHING_THERE,
    HTTPStatus.TOO_MANY_REQUESTS: (Failure.RATE_LIMITED, "Coder takes no more requests for now (429)"),
}


class CoderApiError(Exception):
    """Coder did not answer as requested.

    Attributes:
        kind: the kind of failure.
        retry_after: seconds that Coder asked us to wait, if it did.
    """

    def __init__(self, message: str, kind: Failure, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after

    @property
    def permanent(self) -> bool:
        """Return whether a retry cannot help until an admin changes something."""
        return self.kind in _PERMANENT


def meaning(status: int) -> tuple[Failure, str]:
    """Return what a status other than success means."""
    if status in _MEANINGS:
        return _MEANINGS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Failure.SERVER_ERROR, f"Coder, or a proxy before it, failed ({status}): see its log"
    if status >= HTTPStatus.BAD_REQUEST:
        return Failure.REJECTED, f"Coder refused the request ({status})"
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        return Failure.REDIRECTED, "Coder redirects"
    return Failure.BAD_ANSWER, f"status {status} is not one that Coder answers with: check AWB_CODER_URL"


def broken(error: OSError | urllib3.exceptions.HTTPError) -> tuple[Failure, str]:
    """Return what a connection error means, by its type only, because its text may contain what was sent."""
    match error:
        case requests.exceptions.SSLError() | urllib3.exceptions.SSLError() | ssl.SSLError():
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                return (
                    Failure.TLS,
                    f"Coder's certificate is not trusted: {trust.REMEDY} (AWB_CODER_CA_FILE: for Coder alone)",
                )
            return Failure.TLS, "no TLS connection to Coder: check AWB_CODER_URL, AWB_CA_FILE and proxies"
        case requests.exceptions.Timeout() | urllib3.exceptions.TimeoutError() | TimeoutError():
            return Failure.TIMEOUT, "Coder did not answer in time: check the network and Coder's load"
        case urllib3.exceptions.DecodeError():
            return Failure.BAD_ANSWER, "Coder's answer cannot be unpacked: check the proxies before it"
    why = type(error).__name__
    return Failure.UNREACHABLE, f"Coder cannot be reached ({why}): check AWB_CODER_URL, the network and proxies"


def wrong_in(error: ValidationError) -> str:
    """Return which field of an answer is wrong, without its value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "is not JSON: AWB_CODER_URL must be Coder's own address, with no login page before it"
    field = ".".join(str(part) for part in first["loc"] if part != UNNAMED)[:_LONGEST_FIELD]
    return f"has no usable “{field}”" if field else "has another shape than Coder's"


class _Complaint(BaseModel):
    """Coder's answer to a request that it refuses (docs/reference/api, codersdk.Response)."""

    class Validation(BaseModel):
        field: str = ""
        detail: str = ""

    message: str = ""
    detail: str | None = ""
    validations: list[Validation] | None = Field(default_factory=list)


def complaint(body: bytes) -> str:
    """Return Coder's explanation of a refusal; empty if the answer is not Coder's."""
    try:
        parsed = _Complaint.model_validate_json(body)
    except ValidationError:
        return ""
    fields = [f"{item.field}: {item.detail}" for item in parsed.validations or []]
    return " ".join(part for part in (parsed.message, parsed.detail, *fields) if part)


def redirect_target(requested: str, location: str) -> str:
    """Return where a redirect leads, as a host only, and what to do about it."""
    try:
        there = origin(urljoin(requested, location))
    except ValueError:
        there = None
    if there is None:
        return "to what is no web address: check AWB_CODER_URL"
    if there == origin(requested):
        return "to another page of its own: AWB_CODER_URL must be its access URL, with no login page before it"
    return f"to {there}: set AWB_CODER_URL to that"


def retry_after(header: str | None) -> float | None:
    """Return the seconds that Coder asks us to wait; None if it does not."""
    wait = seconds_to_wait(header, clock.now())
    return None if wait is None else min(wait, _LONGEST_RETRY_AFTER)
