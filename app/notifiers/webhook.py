"""A signed webhook: every alert as JSON to one URL, following the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import json
from functools import partial
from typing import Any, Final

import requests

from app import clock
from app.core.alert.alert import Notification
from app.core.alert.handle import Handle
from app.core.text.lines import one_line
from app.core.text.weburl import is_web_url
from app.net.session import WebSession, is_preparable
from app.notifiers.base import SEND_TIMEOUT, Notifier
from app.notifiers.deadline import within
from app.notifiers.httpanswer import check, unreachable

_WHO: Final = "The webhook"
_PREFIX: Final = "whsec_"
_SHORTEST_KEY, _LONGEST_KEY = 24, 64
_CONNECT_TIMEOUT = 5.0
_TIMEOUTS: Final = (_CONNECT_TIMEOUT, SEND_TIMEOUT - _CONNECT_TIMEOUT)
# It says that the address is wrong; any other answer to a question that is no delivery shows a server at work.
_NOBODY_THERE: Final = frozenset({404, 410})


class SignedWebhook(Notifier):
    """One URL, which is a secret, and the secret that signs what goes there."""

    threads = False

    def __init__(
        self, url: str, secret: str, session: requests.Session | None = None, *, patience: float = SEND_TIMEOUT
    ) -> None:
        """Keep URL and key.

        Args:
            url: where to POST.
            secret: the key in base64, with or without `whsec_`.
            session: what sends the request.
            patience: seconds after which an attempt is given up.

        Raises:
            ValueError: one of them cannot be used. The text repeats neither.
        """
        if not (is_web_url(url) and is_preparable(url)):
            raise ValueError("the webhook must be a whole URL, such as https://alerts.example.com/awb")
        self._url, self._key = url, read_key(secret)
        self._session, self._patience = session or WebSession(), patience

    def send(self, notification: Notification, thread: Handle | None = None, *, retry: bool = False) -> None:
        del thread, retry
        content = body(notification)
        headers = {"Content-Type": "application/json", **signature(self._key, notification.id, _moment(), content)}
        check(_WHO, *self._within_patience("POST", data=content, headers=headers))

    def probe(self) -> None:
        # HEAD delivers nothing, so the server need not know it; what counts is that one answers, over TLS, there.
        status, retry_after = self._within_patience("HEAD")
        if status in _NOBODY_THERE or requests.codes.multiple_choices <= status < requests.codes.bad_request:
            check(_WHO, status, retry_after)

    def _within_patience(self, method: str, **options: Any) -> tuple[int, str | None]:
        try:
            return within(self._patience, partial(self._request, method, **options))
        except (OSError, ValueError) as error:  # every error of requests is one of them
            failure = unreachable(_WHO, error)
        # Outside the handler: the error of requests names the URL and must not travel on as __context__.
        raise failure

    def _request(self, method: str, **options: Any) -> tuple[int, str | None]:
        # The body of the answer is never read: it says nothing that the status does not, and may have no end.
        with self._session.request(
            method, self._url, timeout=_TIMEOUTS, allow_redirects=False, stream=True, **options
        ) as answer:
            return answer.status_code, answer.headers.get("Retry-After")


def body(notification: Notification) -> bytes:
    """Return the JSON to send: the same bytes for the same notification, in ASCII."""
    content = {
        "type": f"awb.alert.{notification.alert.reason.value}",
        "timestamp": notification.decided_at.isoformat(),
        "data": {
            "id": notification.id,
            "stands_in_for": notification.stands_in_for,
            **_clean(notification.alert.as_json()),
        },
    }
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def signature(key: bytes, identity: str, moment: int, content: bytes) -> dict[str, str]:
    """Return the headers that let the receiver check origin and age, and fold a message that arrives twice."""
    signed = b"%s.%d.%s" % (identity.encode(), moment, content)
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {"webhook-id": identity, "webhook-timestamp": str(moment), "webhook-signature": f"v1,{digest}"}


def _moment() -> int:
    return int(clock.now().timestamp())


def _clean(value: Any) -> Any:
    """Take control characters out of every text, wherever the receiver shows it."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def read_key(secret: str) -> bytes:
    """Read a Standard Webhooks secret.

    Raises:
        ValueError: it is none. The text does not repeat it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):  # raised below, where its text cannot travel along
        key = b""
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError(
            f"the webhook's secret must be {_SHORTEST_KEY} to {_LONGEST_KEY} bytes in base64, with or without "
            f"{_PREFIX} before them; without a secret nothing is sent. Try: openssl rand -base64 32"
        )
    return key
