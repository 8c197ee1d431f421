"""What HTTP servers' responses mean for a notification."""

import logging
from typing import Final

import requests

from app import clock
from app.core.text.retryafter import seconds_to_wait
from app.net import trust
from app.notifiers.base import FailureReason, NotifyError

# urllib3 logs request paths at debug level and in its warning about malformed headers; a path may be a secret.
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_SHORTEST_WAIT, _USUAL_WAIT, _LONGEST_WAIT = 1.0, 30.0, 600.0
#: Temporary refusals: time-out, conflict with another request, too early (RFC 9110, RFC 8470).
_LATER: Final = frozenset({408, 409, 425})
_AUTH: Final = frozenset({401, 403, 407})


def check(who: str, status: int, retry_after: str | None) -> None:
    """Raise the error for a response, unless it is a 2xx, which means that the message was accepted.

    Args:
        who: a name for the server, such as “The webhook”, without secrets.
        status: the status of the response.
        retry_after: the header of that name.
    """
    text = f"{who} answered {status}"
    refuse_trouble(text, status, retry_after, later=_LATER)
    match status:
        case _ if 200 <= status < 300:  # noqa: PLR2004 - the class of success
            return
        case _ if status in _AUTH:
            text += ": access denied; check its URL"
            raise NotifyError(text, reason=FailureReason.AUTH_ERROR, permanent=True)
        case 410:  # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
            text += ": gone, it accepts no more messages; remove it from the configuration or set a new URL"
        case _ if status < requests.codes.bad_request:
            text += ": redirects are not followed; set the final URL"
    raise NotifyError(text, reason=FailureReason.CLIENT_ERROR, permanent=True)


def refuse_trouble(text: str, status: int, retry_after: str | None, *, later: frozenset[int]) -> None:
    """Raise if the status means that nothing is accepted at the moment: 429, 5xx, or one of `later`."""
    if status == requests.codes.too_many_requests:
        raise rate_limited(text, retry_after)
    if status >= requests.codes.server_error or status in later:
        wait = seconds(retry_after, _USUAL_WAIT) if retry_after else None
        raise NotifyError(text, reason=FailureReason.SERVER_ERROR, permanent=False, retry_after=wait)


def rate_limited(text: str, retry_after: str | None) -> NotifyError:
    wait = seconds(retry_after, _USUAL_WAIT)
    return NotifyError(text, reason=FailureReason.RATE_LIMITED, permanent=False, retry_after=wait)


def seconds(header: str | None, otherwise: float) -> float:
    """Parse Retry-After, within bounds."""
    requested = seconds_to_wait(header, clock.now())
    wait = otherwise if requested is None else requested
    return min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT)


def unreachable(who: str, error: Exception) -> NotifyError:
    """Return the error for one of requests, with only the type of the latter, because its text contains the URL."""
    if isinstance(error, requests.exceptions.SSLError):
        remedy = trust.REMEDY if trust.is_untrusted(error) else "check its URL, proxies and the clock"
        text = f"{who}: no trusted TLS connection: {remedy}"
        return NotifyError(text, reason=FailureReason.TLS, permanent=False)
    text = f"{who} could not be reached ({type(error).__name__})"
    return NotifyError(text, reason=FailureReason.NETWORK, permanent=False)
