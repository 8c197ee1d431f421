"""Slack through an incoming webhook: one Block Kit message per notification."""

import re
from collections.abc import Mapping
from typing import Any, Final

import requests

from app.core.alert.alert import Notification
from app.core.alert.handle import Handle
from app.net.session import WebSession
from app.notifiers.base import FailureReason, Notifier, NotifyError
from app.notifiers.slack.blocks import is_usable, render
from app.notifiers.slack.http import Answer, post, refuse_trouble

_LONGEST_ANSWER = 200
# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
_DEAD_URL: Final = frozenset(
    {"invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled"}
)
_EMPTY_MESSAGE: Final = frozenset({"invalid_payload", "missing_text_or_fallback_or_attachments", "no_text"})


class SlackWebhook(Notifier):
    """One channel, through one incoming webhook. Its URL is a secret."""

    threads = False

    def __init__(self, url: str, session: WebSession | None = None) -> None:
        """Check and store the URL.

        Raises:
            ValueError: it is not a URL. The message does not repeat it.
        """
        if not is_usable(url):
            raise ValueError("the Slack webhook must be a whole URL, https://hooks.slack.com/services/…")
        self._url = url
        self._session = session or WebSession()

    def send(self, notification: Notification, thread: Handle | None = None, *, retry: bool = False) -> None:
        del thread, retry
        _check(self._post(render(notification.alert)))

    def probe(self) -> None:
        # Slack posts nothing for an empty message: the error is about the message if the URL is right, and about the
        # URL if it is not.
        answer = self._post({})
        if answer.status != requests.codes.bad_request or _word(answer) not in _EMPTY_MESSAGE:
            _check(answer)

    def _post(self, payload: Mapping[str, Any]) -> Answer:
        return post(self._session, self._url, _LONGEST_ANSWER, json=payload)


def _word(answer: Answer) -> str:
    """Return Slack's error code; never other text, which could repeat what was sent."""
    return answer.text if re.fullmatch(r"[a-z_]+", answer.text) else ""


def _check(answer: Answer) -> None:
    """Raise the error for an answer, unless it means that the message was accepted."""
    word = _word(answer)
    text = f"Slack answered {answer.status} {word}".rstrip()
    refuse_trouble(text, answer)
    match answer.status:
        case 200 if answer.text == "ok":
            return
        case status if word in _DEAD_URL or (status in {401, 403, 404, 410} and not word):
            raise NotifyError(
                f"{text}: the webhook URL is invalid or disabled; create a new one in Slack",
                reason=FailureReason.AUTH_ERROR,
                permanent=True,
            )
        case 200 if not word:
            # Slack answers with a word. What else answers, such as a proxy with a login page, may soon be gone.
            raise NotifyError(
                f"{text} with something else than Slack's word: is a proxy in between, and is this a webhook's URL?",
                reason=FailureReason.SERVER_ERROR,
                permanent=False,
            )
        case 200:
            text += " without its usual “ok”: is this the URL of a Slack webhook?"
        case status if requests.codes.multiple_choices <= status < requests.codes.bad_request:
            text += ": redirects are not followed; is this the URL of a Slack webhook?"
    raise NotifyError(text, reason=FailureReason.CLIENT_ERROR, permanent=True)
