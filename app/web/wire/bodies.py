"""How much of a body is read, decided from the request's head, and how much of all bodies is in memory at once.

Without the secret, nobody can make the receiver hold more than a login or an API call needs, and requests of strangers
take no room from Coder's deliveries.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from app.config.settings import Settings
from app.web.paths import plain_path

EXTENSION: Final = "awb-bodies"
#: The largest body of a form or an API call; the views have smaller limits.
LARGEST_OTHER: Final = 65_536
#: For all bodies of deliveries that are being received or processed in each process; small ones never reach it.
MOST_DELIVERED: Final = 33_554_432
#: The same for all other bodies, which anybody may send.
MOST_OTHER: Final = 4_194_304
_WITHOUT_BODY: Final = ("GET", "HEAD", "OPTIONS", "TRACE")


@dataclass(frozen=True, slots=True)
class Grant:
    """The body that a request may have.

    Attributes:
        limit: the maximum number of bytes that are read; 0 for none.
        known: whether the request had the webhook's secret.
    """

    limit: int
    known: bool = False


#: Takes the method, the path and the headers, whose names are as in WSGI but without HTTP_.
Rule = Callable[[str, str, Mapping[str, str]], Grant]


def nothing(_method: str, _path: str, _headers: Mapping[str, str]) -> Grant:
    """Allow no body at all."""
    return Grant(0)


def rule_of(settings: Settings, admit: Callable[[str, str], bool]) -> Rule:
    """Return the rule of the application.

    Args:
        settings: the application's settings.
        admit: returns whether an Authorization header contains the secret of a path of the webhook.
    """
    most, base = settings.max_body_bytes, settings.base_path

    def grant(method: str, path: str, headers: Mapping[str, str]) -> Grant:
        if method in _WITHOUT_BODY:
            return Grant(0)
        path = plain_path(path, base)
        if path == "/v1/webhook" or path.startswith("/v1/webhook/"):
            known = admit(path, headers.get("AUTHORIZATION", ""))
            return Grant(most if known else 0, known)
        if path.startswith("/v1/slack/"):
            # Slack signs the body, so it must be read; but a body without a signature header is not.
            return Grant(most if settings.slack_signing_secret and "X_SLACK_SIGNATURE" in headers else 0)
        return Grant(LARGEST_OTHER)

    return grant


class Bodies:
    """Counts the bytes that are reserved for bodies; safe to share between threads."""

    def __init__(self, rule: Rule, delivered: int = MOST_DELIVERED, other: int = MOST_OTHER) -> None:
        self.rule = rule
        self._most = {True: delivered, False: other}
        self._held = {True: 0, False: 0}
        self._lock = threading.Lock()

    def reserve(self, size: int, *, known: bool) -> bool:
        """Reserve room for a body; False if too much is in use. A single body always has room."""
        with self._lock:
            held = self._held[known]
            if held and held + size > self._most[known]:
                return False
            self._held[known] = held + size
            return True

    def release(self, size: int, *, known: bool) -> None:
        with self._lock:
            self._held[known] -= size

    @property
    def held(self) -> int:
        return sum(self._held.values())
