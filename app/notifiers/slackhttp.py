"""What both ways to Slack share: one POST without redirects, and what its failure means."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import requests

from app.notifiers.base import SEND_TIMEOUT, FailureReason, NotifyError
from app.notifiers.deadline import within
from app.notifiers.httpanswer import seconds, unreachable
from app.websession import WebSession

_CONNECT_TIMEOUT: Final = 5.0
_TIMEOUTS: Final = (_CONNECT_TIMEOUT, SEND_TIMEOUT - _CONNECT_TIMEOUT)
_CHUNK: Final = 65_536
_USUAL_WAIT: Final = 30.0


class Answer(NamedTuple):
    """What Slack answered; `text` is cut at the length that the caller asked for."""

    status: int
    text: str
    headers: Mapping[str, str]


def post(session: WebSession, url: str, longest: int, **content: Any) -> Answer:
    """POST once and read at most so many bytes of the answer.

    Raises:
        NotifyError: there was no answer. Its text names neither URL nor headers.
    """

    def exchange() -> Answer:
        with session.post(url, timeout=_TIMEOUTS, allow_redirects=False, stream=True, **content) as response:
            body = b""
            for part in response.iter_content(min(longest, _CHUNK)):
                body += part
                if len(body) >= longest:
                    break
            return Answer(response.status_code, body[:longest].decode("utf-8", "replace").strip(), response.headers)

    try:
        return within(session.patience, exchange)
    except OSError as error:  # every error of requests is one
        failure = unreachable("Slack", error)
    # Outside the handler: the error of requests names the URL and must not travel on as __context__.
    raise failure


def refuse_trouble(said: str, answer: Answer) -> None:
    """Raise when the status says that Slack takes nothing at the moment: 408, 429, or 5xx."""
    asked = answer.headers.get("Retry-After")
    if answer.status == requests.codes.too_many_requests:
        raise rate_limited(said, asked)
    if answer.status >= requests.codes.server_error or answer.status == requests.codes.request_timeout:
        wait = seconds(asked, _USUAL_WAIT) if asked else None
        raise NotifyError(said, reason=FailureReason.SERVER_ERROR, permanent=False, retry_after=wait)


def rate_limited(said: str, asked: str | None) -> NotifyError:
    wait = seconds(asked, _USUAL_WAIT)
    return NotifyError(said, reason=FailureReason.RATE_LIMITED, permanent=False, retry_after=wait)
