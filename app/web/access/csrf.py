"""No other site's page acts for a person: a token of the session in every form, and what the browser says of itself."""

import hmac
import secrets
from typing import Final

from flask import request, session

from app.core.access.origin import is_foreign

FIELD: Final = "csrf_token"
HEADER: Final = "X-CSRF-Token"
FOREIGN: Final = (
    "The browser says that another site sent this. If it did not: behind a proxy, AWB_PUBLIC_URL must be the address "
    "that stands in the browser."
)
_STALE: Final = "The form is too old or from another session. Load the page again and repeat it."


def csrf_token() -> str:
    """Return the session's token for a form's field `csrf_token` or the header `X-CSRF-Token`.

    It is made at the first call. Where nobody has logged in, as on loopback, the session holds nothing else.
    """
    if FIELD not in session:
        session[FIELD] = secrets.token_urlsafe(32)
    return str(session[FIELD])


def sent_by_another_site(public_url: str) -> bool:
    """Return whether the browser says that another site's page sent this request."""
    return is_foreign(
        origin=request.headers.get("Origin"),
        fetch_site=request.headers.get("Sec-Fetch-Site"),
        host=request.environ.get("HTTP_HOST", ""),
        scheme=request.scheme,
        public_url=public_url,
    )


def reads_across_origins(public_url: str) -> bool:
    """Return whether a script of another site wants to read: only that sends an Origin with GET, unlike a link."""
    return "Origin" in request.headers and sent_by_another_site(public_url)


def objection(public_url: str) -> str | None:
    """Say why this request cannot be taken as its person's will; None where it can."""
    if sent_by_another_site(public_url):
        return FOREIGN
    offered = request.headers.get(HEADER) or request.form.get(FIELD, "")
    known = str(session.get(FIELD, ""))
    # As bytes, for compare_digest takes no other text than ASCII.
    return None if known and hmac.compare_digest(offered.encode(), known.encode()) else _STALE
