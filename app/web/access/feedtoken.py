"""The feed token: a secret in the URL, for programs that show the badge or the calendar and cannot log in."""

import hmac
from typing import Final

from flask import Request
from pydantic import SecretStr

BADGE: Final = "/badge.svg"
CALENDAR: Final = "/calendar.ics"
_FEEDS: Final = (BADGE, CALENDAR)


def admits(request: Request, token: SecretStr | None) -> bool:
    """Return whether a request for a feed has the token, which gives access only to the feeds."""
    given = request.args.get("token", "")
    if token is None or not given or request.path not in _FEEDS or request.method not in ("GET", "HEAD"):
        return False
    return hmac.compare_digest(given.encode(), token.get_secret_value().encode())
