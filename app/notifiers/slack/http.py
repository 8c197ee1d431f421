"""Shared by both ways of posting to Slack: a POST without redirects, and what its failure means."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import requests

from app.net.session import WebSession
from app.notifiers import httpanswer
from app.notifiers.base import SEND_TIMEOUT
from app.notifiers.deadline import within

_CONNECT_TIMEOUT: Final = 5.0
_TIMEOUTS: Final = (_CONNECT_TIMEOUT, SEND_TIMEOUT - _CONNECT_TIMEOUT)
_CHUNK: Final = 65_536
_LATER: Final = frozenset({requests.codes.request_timeout})


class Answer(NamedTuple):
    """Slack's answer; `text` is limited to the requested length."""

    status: int
    text: str
    headers: Mapping[str, str]


def post(session: WebSession, url: str, longest: int, **content: Any) -> Answer:
    """POST once, and read at most the given number of bytes of the answer.

    Raises:
        NotifyError: there was no answer. Its message contains neither URL nor headers.
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
    except OSError as error:  # covers every error of requests
        failure = httpanswer.unreachable("Slack", error)
    # Raised outside the handler, because the error of requests contains the URL and must not be attached as
    # __context__.
    raise failure


def refuse_trouble(text: str, answer: Answer) -> None:
    """Raise if the status means that Slack accepts nothing at the moment: 408, 429, or 5xx."""
    httpanswer.refuse_trouble(text, answer.status, answer.headers.get("Retry-After"), later=_LATER)
