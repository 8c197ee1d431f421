"""The reply that only the person who pressed a button sees.

For Block Kit buttons Slack ignores the body of the response and shows only what is posted to the request's
`response_url` (https://github.com/slackapi/bolt-js/issues/132); both have the same format.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from app.net.session import WebSession
from app.notifiers.slack.blocks import fit
from app.notifiers.slack.http import post, refuse_trouble

_HOSTS: Final = ("hooks.slack.com", "hooks.slack-gov.com")
_LONGEST_TEXT: Final = 1000
_LONGEST_ANSWER: Final = 200


def private(text: str) -> dict[str, Any]:
    """Return a message that only one person sees and that leaves the original unchanged."""
    return {"response_type": "ephemeral", "replace_original": False, "text": fit(text, _LONGEST_TEXT)}


def may_answer(url: str, api_url: str) -> bool:
    """Return whether a `response_url` is Slack's, or that of the configured API URL."""
    try:
        parts, api = urlsplit(url), urlsplit(api_url)
    except ValueError:
        return False
    return (parts.scheme == "https" and parts.netloc in _HOSTS) or (
        parts[:2] == api[:2] and api.hostname == "127.0.0.1" and bool(url)
    )


def answer(url: str, text: str, session: WebSession | None = None) -> None:
    """Post the reply. It is tried only once, because nothing depends on it.

    Raises:
        NotifyError: Slack did not accept it.
    """
    found = post(session or WebSession(), url, _LONGEST_ANSWER, json=private(text))
    refuse_trouble(f"Slack answered {found.status} to a response_url", found)
