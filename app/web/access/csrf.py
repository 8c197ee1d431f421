"""Protection against requests forged by other sites: a session token in every form, and the browser's own headers."""

import hmac
import secrets
from typing import Final

from flask import request, session

from app.core.access.origin import is_foreign

FIELD: Final = "csrf_token"
HEADER: Final = "X-CSRF-Token"
FOREIGN: Final = (
    "The browser reports that another site sent this request. If that is wrong: behind a proxy, AWB_PUBLIC_URL must be "
    "the address shown in the browser."
)
_STALE: Final = "The form has expired or belongs to another session. Reload the page and try again."


def csrf_token() -> str:
    """Return the session's token for the form field `csrf_token` or the header `X-CSRF-Token`.

    The first call creates it. If nobody is logged in, as on loopback, the session contains nothing else.
    """
    if FIELD not in session:
        session[FIELD] = secrets.token_urlsafe(32)
    return str(session[FIELD])


def sent_by_another_site(public_url: str) -> bool:
    """Return whether the browser reports that a page of another site sent this request."""
    return is_foreign(
        origin=request.headers.get("Origin"),
        fetch_site=request.headers.get("Sec-Fetch-Site"),
        host=request.environ.get("HTTP_HOST", ""),
        scheme=request.scheme,
        public_url=public_url,
    )


def reads_across_origins(public_url: str) -> bool:
    """Return whether a script of another site tries to read: unlike a link, it sends an Origin with GET."""
    return "Origin" in request.headers and sent_by_another_site(public_url)


def objection(public_url: str) -> str | None:
    """Return why this request may not have been intended by the person; None if it was."""
    if sent_by_another_site(public_url):
        return FOREIGN
    offered = request.headers.get(HEADER) or request.form.get(FIELD, "")
    known = str(session.get(FIELD, ""))
    # As bytes, because compare_digest accepts only ASCII text.
    return None if known and hmac.compare_digest(offered.encode(), known.encode()) else _STALE
