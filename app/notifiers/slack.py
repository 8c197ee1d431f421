"""Slack by incoming webhook: one Block Kit message per notification.

Escaping and limits: https://docs.slack.dev/messaging/formatting-message-text and
https://docs.slack.dev/reference/block-kit/blocks
"""

import logging
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests

from app import clock
from app.core.alert import Alert, Notification
from app.core.text import is_web_link, one_line
from app.notifiers.base import SEND_TIMEOUT, FailureReason, Notifier, NotifyError
from app.notifiers.text import SIGNS
from app.websession import WebSession

# urllib3 writes request paths into debug lines and into its warning about odd headers; here the path is the secret.
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_LONGEST_HEADER, _LONGEST_TEXT, _LONGEST_FIELD, _LONGEST_LABEL = 150, 3000, 2000, 200
_LONGEST_BUTTON, _LONGEST_URL = 75, 3000
_MOST_FIELDS, _MOST_BUTTONS = 10, 25

_ENTITIES: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
# What mrkdwn would format. Slack has no escape for it, so text that holds any of it goes out as plain_text instead.
_MARKUP = re.compile(r"[*~`]|(?<!\w)_|_(?!\w)|^\s*>|:[\w+-]+:", re.ASCII)

_CONNECT_TIMEOUT = 5.0
_TIMEOUTS: Final = (_CONNECT_TIMEOUT, SEND_TIMEOUT - _CONNECT_TIMEOUT)
_LONGEST_ANSWER = 200
_SHORTEST_WAIT, _USUAL_WAIT, _LONGEST_WAIT = 1.0, 30.0, 600.0
# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
_DEAD_URL: Final = frozenset(
    {"invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled"}
)
_EMPTY_MESSAGE: Final = frozenset({"invalid_payload", "missing_text_or_fallback_or_attachments", "no_text"})


class _Answer(NamedTuple):
    status: int
    text: str
    retry_after: str | None

    @property
    def word(self) -> str:
        """Slack's own word for the error; never free text, which could repeat what was sent."""
        return self.text if re.fullmatch(r"[a-z_]+", self.text) else ""


class SlackWebhook(Notifier):
    """One channel, behind one incoming webhook. Its URL is a secret."""

    def __init__(self, url: str, session: requests.Session | None = None) -> None:
        """Keep the URL.

        Raises:
            ValueError: it is no URL. The text does not repeat it.
        """
        if not _is_web_url(url):
            raise ValueError("the Slack webhook must be a whole URL, https://hooks.slack.com/services/…")
        self._url = url
        self._session = session or WebSession()

    def send(self, notification: Notification) -> None:
        _check(self._post(render(notification.alert)))

    def probe(self) -> None:
        # Slack posts nothing for an empty message: it complains about the message when the URL is right, and about
        # the URL when it is not.
        answer = self._post({})
        if answer.status != requests.codes.bad_request or answer.word not in _EMPTY_MESSAGE:
            _check(answer)

    def _post(self, payload: Mapping[str, Any]) -> _Answer:
        try:
            with self._session.post(
                self._url, json=payload, timeout=_TIMEOUTS, allow_redirects=False, stream=True
            ) as response:
                body: bytes = next(response.iter_content(_LONGEST_ANSWER), b"")
                text = body.decode("utf-8", "replace").strip()
                return _Answer(response.status_code, text, response.headers.get("Retry-After"))
        except OSError as error:  # every error of requests is one
            failure = _unreachable(error)
        # Outside the handler: the error of requests names the URL and must not travel on as __context__.
        raise failure


def render(alert: Alert) -> dict[str, Any]:
    """Return the message as Slack wants it, within Slack's limits whatever the alert holds."""
    emoji, word = SIGNS[alert.severity]
    return {
        # For notifications, screen readers and search: complete without the blocks. A colour bar would need an
        # attachment, and beside one Slack shows this text a second time; emoji and word say the severity instead.
        "text": _fit(f"{emoji} {word}: {alert.summary}", _LONGEST_TEXT),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "header", "text": _plain(f"{emoji} {word}: {alert.headline}", _LONGEST_HEADER, emoji=True)},
            *_section(alert.summary),
            *_fields(alert),
            *_section(alert.meaning),
            *_actions(alert),
            *_context(alert.footer),
        ],
    }


def _section(text: str) -> list[dict[str, Any]]:
    # Slack refuses the whole message for one empty text.
    return [{"type": "section", "text": _plain(text, _LONGEST_TEXT)}] if one_line(text) else []


def _context(text: str) -> list[dict[str, Any]]:
    return [{"type": "context", "elements": [_plain(text, _LONGEST_TEXT)]}] if one_line(text) else []


def _fields(alert: Alert) -> list[dict[str, Any]]:
    fields = [_field(label, value) for label, value in alert.facts[:_MOST_FIELDS]]
    return [{"type": "section", "fields": fields}] if fields else []


def _field(label: str, value: str) -> dict[str, Any]:
    label, value = _fit(label, _LONGEST_LABEL) or "-", one_line(value) or "-"
    if _MARKUP.search(label) or _MARKUP.search(value):
        return {
            "type": "plain_text",
            "text": f"{label}\n{_fit(value, _LONGEST_FIELD - len(label) - 1)}",
            "emoji": False,
        }
    # verbatim: Slack makes no links of its own out of names such as #general or example.com.
    text = f"*{label}*\n{_fit(value, _LONGEST_FIELD - len(label) - 3)}"
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _actions(alert: Alert) -> list[dict[str, Any]]:
    links = [(label, url) for label, url in alert.links if len(url) <= _LONGEST_URL and _is_web_url(url)]
    buttons = [
        {
            "type": "button",
            "action_id": f"open_{index}",
            "text": _plain(one_line(label) or "Open", _LONGEST_BUTTON),
            "url": url,
        }
        for index, (label, url) in enumerate(links[:_MOST_BUTTONS])
    ]
    return [{"type": "actions", "elements": buttons}] if buttons else []


def _plain(text: str, limit: int, *, emoji: bool = False) -> dict[str, Any]:
    return {"type": "plain_text", "text": _fit(text, limit), "emoji": emoji}


def _fit(text: str, limit: int) -> str:
    """Clean and escape, then cut to at most `limit` characters, never through an entity."""
    escaped = one_line(text).translate(_ENTITIES)
    if len(escaped) <= limit:
        return escaped
    return re.sub(r"&[a-z]*$", "", escaped[: limit - 1]) + "…"


def _is_web_url(url: str) -> bool:
    if not is_web_link(url):
        return False
    try:
        return bool(urlsplit(url).hostname) and bool(requests.Request("POST", url).prepare().url)
    except ValueError:  # requests.exceptions.InvalidURL is one
        return False


def _check(answer: _Answer) -> None:
    """Raise what the answer means, unless it means that the message was taken."""
    said = f"Slack answered {answer.status} {answer.word}".rstrip()
    match answer.status:
        case 200 if answer.text == "ok":
            return
        case 429:
            wait = _seconds(answer.retry_after, _USUAL_WAIT)
            raise NotifyError(said, reason=FailureReason.RATE_LIMITED, permanent=False, retry_after=wait)
        case status if status >= requests.codes.server_error or status == requests.codes.request_timeout:
            wait_if_asked = _seconds(answer.retry_after, _USUAL_WAIT) if answer.retry_after else None
            raise NotifyError(said, reason=FailureReason.SERVER_ERROR, permanent=False, retry_after=wait_if_asked)
        case status if answer.word in _DEAD_URL or (status in {401, 403, 404, 410} and not answer.word):
            raise NotifyError(
                f"{said}: the webhook URL is wrong or switched off; make a new one in Slack",
                reason=FailureReason.AUTH_ERROR,
                permanent=True,
            )
        case 200:
            said += " without its usual “ok”: is this the URL of a Slack webhook?"
        case status if requests.codes.multiple_choices <= status < requests.codes.bad_request:
            said += ": redirects are not followed; is this the URL of a Slack webhook?"
    raise NotifyError(said, reason=FailureReason.CLIENT_ERROR, permanent=True)


def _seconds(header: str | None, otherwise: float) -> float:
    """Read Retry-After, whole seconds or an HTTP date (RFC 9110, section 10.2.3), and keep it within bounds."""
    try:
        if header is None or re.fullmatch(r"[0-9]{1,9}", header.strip()):
            wait = otherwise if header is None else float(header)
        else:
            at = parsedate_to_datetime(header)
            wait = (at.replace(tzinfo=at.tzinfo or UTC) - clock.now()).total_seconds()
    except (ValueError, OverflowError):
        wait = otherwise
    return min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT)


def _unreachable(error: OSError) -> NotifyError:
    if isinstance(error, requests.exceptions.SSLError):
        text = "no trusted TLS connection to Slack: check proxies, CA certificates and the clock"
        return NotifyError(text, reason=FailureReason.TLS, permanent=False)
    # Only the kind of error: its text holds the path of the URL.
    text = f"Slack could not be reached ({type(error).__name__})"
    return NotifyError(text, reason=FailureReason.NETWORK, permanent=False)
