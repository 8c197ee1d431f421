"""The feed token: a secret in the URL, for programs that show the badge or the calendar and cannot log in."""

import hmac
from typing import Final

from flask import Request

from app.config.load import Config

BADGE: Final = "/badge.svg"
CALENDAR: Final = "/calendar.ics"
_FEEDS: Final = (BADGE, CALENDAR)


def admits(request: Request, config: Config) -> bool:
    """Return whether a request for a feed has the common token or its deployment's, which is valid only for feeds."""
    given = request.args.get("token", "")
    if not given or request.path not in _FEEDS or request.method not in ("GET", "HEAD"):
        return False
    asked = config.of(request.args.get("deployment", config.settings.deployment))
    tokens = {config.settings.feed_token, asked.settings.feed_token} - {None}
    return any(hmac.compare_digest(given.encode(), token.get_secret_value().encode()) for token in tokens if token)
