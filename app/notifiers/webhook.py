"""A signed webhook: every alert as JSON to one URL, according to the Standard Webhooks specification.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from functools import partial
from typing import Any, Final

import requests

from app import clock
from app.core.alert.alert import Notification
from app.core.alert.handle import Handle
from app.core.text.compact import compact
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
# These mean that the address is wrong; any other response to HEAD shows that a server is running.
_NOBODY_THERE: Final = frozenset({404, 410})


class SignedWebhook(Notifier):
    """One URL, which is a secret, and the secret with which requests to it are signed."""

    threads = False

    def __init__(
        self, url: str, secret: str, session: requests.Session | None = None, *, patience: float = SEND_TIMEOUT
    ) -> None:
        """Check and store the URL and the key.

        Args:
            url: the URL to POST to.
            secret: the key in base64, with or without `whsec_`.
            session: the session that sends requests.
            patience: seconds after which an attempt is abandoned.

        Raises:
            ValueError: one of them is invalid. The message repeats neither.
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
        # HEAD delivers nothing, and the server need not support it: it is enough that one answers there over TLS.
        status, retry_after = self._within_patience("HEAD")
        if status in _NOBODY_THERE or requests.codes.multiple_choices <= status < requests.codes.bad_request:
            check(_WHO, status, retry_after)

    def _within_patience(self, method: str, **options: Any) -> tuple[int, str | None]:
        try:
            return within(self._patience, partial(self._request, method, **options))
        except (OSError, ValueError) as error:  # covers every error of requests
            failure = unreachable(_WHO, error)
        # Raised outside the handler, because the error of requests contains the URL and must not be attached as
        # __context__.
        raise failure

    def _request(self, method: str, **options: Any) -> tuple[int, str | None]:
        # The response's body is never read: it adds nothing to the status, and may be endless.
        with self._session.request(
            method, self._url, timeout=_TIMEOUTS, allow_redirects=False, stream=True, **options
        ) as answer:
            return answer.status_code, answer.headers.get("Retry-After")


def body(notification: Notification) -> bytes:
    """Return the JSON to send, in ASCII: the same bytes for the same notification."""
    content = {
        "type": f"awb.alert.{notification.alert.reason.value}",
        "timestamp": notification.decided_at.isoformat(),
        "data": {
            "id": notification.id,
            "stands_in_for": notification.stands_in_for,
            **_clean(notification.alert.as_json()),
        },
    }
    return compact(content).encode("ascii")


def signature(key: bytes, identity: str, moment: int, content: bytes) -> dict[str, str]:
    """Return the headers with which the receiver can check origin and age, and recognize duplicates."""
    signed = b"%s.%d.%s" % (identity.encode(), moment, content)
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {"webhook-id": identity, "webhook-timestamp": str(moment), "webhook-signature": f"v1,{digest}"}


def _moment() -> int:
    return int(clock.now().timestamp())


def _clean(value: Any) -> Any:
    """Remove control characters from every text, because the receiver may show it anywhere."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def read_key(secret: str) -> bytes:
    """Parse a Standard Webhooks secret.

    Raises:
        ValueError: it is invalid. The message does not repeat it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):  # raised below, so that its text is not attached
        key = b""
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError(
            f"the webhook's secret must be {_SHORTEST_KEY} to {_LONGEST_KEY} bytes in base64, with or without "
            f"{_PREFIX} before them; without a secret nothing is sent. Try: openssl rand -base64 32"
        )
    return key
