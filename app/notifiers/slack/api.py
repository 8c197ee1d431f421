"""Slack's Web API: calls, and the meaning of its error codes.

The API also answers 200 when it refuses: https://docs.slack.dev/apis/web-api#slack-web-api__evaluating-responses. The
codes are those of https://docs.slack.dev/reference/methods/chat.postMessage and of the other methods used here.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import requests

from app.net.session import WebSession
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.httpanswer import rate_limited
from app.notifiers.slack.http import Answer, post, refuse_trouble

# A page of 50 messages of the largest size that we post.
_LONGEST_ANSWER: Final = 2_000_000
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_WORD: Final = re.compile(r"[a-z_]{1,80}")
_SCOPES: Final = re.compile(r"[a-z:_.,-]{1,100}")

_INSTALL: Final = "reinstall the app and set its new bot token as AWB_SLACK_BOT_TOKEN"
_INVITE: Final = "check AWB_SLACK_CHANNEL, and invite the bot to the channel"
_RESTRICTED: Final = "a setting of the Slack workspace does not allow it; ask its admins"
_OTHER_CHANNEL: Final = "unarchive the channel, or set another in AWB_SLACK_CHANNEL"
_MESSAGE: Final = "Slack rejects the message itself, which is an error in this program"

#: Remedies by code: errors of the token or its permissions.
AUTH_ERRORS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("not_authed", "invalid_auth", "invalid_token"), "AWB_SLACK_BOT_TOKEN is wrong"),
    **dict.fromkeys(("account_inactive", "token_revoked", "token_expired"), _INSTALL),
    "missing_scope": "add the scope chat:write to the app and reinstall it",
    "not_allowed_token_type": "AWB_SLACK_BOT_TOKEN must be a bot token, xoxb-…",
    **dict.fromkeys(
        (
            "access_denied",
            "accesslimited",
            "ekm_access_denied",
            "enterprise_is_restricted",
            "no_permission",
            "team_access_not_granted",
            "two_factor_setup_required",
        ),
        _RESTRICTED,
    ),
}
#: Remedies by code: errors of the channel or the message.
CLIENT_ERRORS: Final[Mapping[str, str]] = {
    "channel_not_found": f"the channel does not exist, or is private and the bot is not in it: {_INVITE}",
    "not_in_channel": _INVITE,
    "is_archived": _OTHER_CHANNEL,
    "is_inactive": _OTHER_CHANNEL,
    "restricted_action": _RESTRICTED,
    "restricted_action_read_only_channel": _RESTRICTED,
    "restricted_action_thread_only_channel": _RESTRICTED,
    "restricted_action_non_threadable_channel": _RESTRICTED,
    **dict.fromkeys(
        (
            "invalid_arguments",
            "invalid_blocks",
            "invalid_blocks_format",
            "invalid_metadata_format",
            "invalid_metadata_schema",
            "metadata_too_large",
            "msg_blocks_too_long",
            "msg_too_long",
            "no_text",
            "too_many_attachments",
        ),
        _MESSAGE,
    ),
}
#: A retry may succeed. The last three occur while a workspace is moved to another Slack organization.
LATER: Final = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "update_failed",
        "external_channel_migrating",
        "org_login_required",
        "team_added_to_org",
    }
)
#: Slack has two spellings for it, and a third code for workspaces without a plan.
TOO_MANY: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})


class SlackRefusalError(NotifyError):
    """Slack answered `ok: false`.

    Attributes:
        word: Slack's error code; empty if it is not a known one.
    """

    def __init__(
        self,
        word: str,
        message: str,
        *,
        reason: FailureReason = FailureReason.CLIENT_ERROR,
        permanent: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, reason=reason, permanent=permanent, retry_after=retry_after)
        self.word = word


class SlackApi:
    """One bot's access. Its token is a secret."""

    def __init__(self, token: str, url: str, session: WebSession | None = None) -> None:
        """Store the token and the base URL.

        Raises:
            ValueError: the token is invalid. The message does not repeat it.
        """
        if not _TOKEN.fullmatch(token):
            raise ValueError("the token of the Slack bot must be one word, xoxb-…")
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._url = url.rstrip("/")
        self._session = session or WebSession()

    def write(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method that accepts JSON.

        Raises:
            NotifyError: there was no answer, or a refusal (SlackRefusalError).
        """
        headers = {**self._authorization, "Content-Type": "application/json; charset=utf-8"}
        return self._call(method, data=json.dumps(arguments).encode(), headers=headers)

    def read(self, method: str, **arguments: str) -> dict[str, Any]:
        """Call a reading method, which accepts only a form; raises the same errors as `write`."""
        return self._call(method, data=arguments, headers=self._authorization)

    def _call(self, method: str, **content: Any) -> dict[str, Any]:
        answer = post(self._session, f"{self._url}/{method}", _LONGEST_ANSWER, **content)
        text = f"Slack answered {answer.status} to {method}"
        refuse_trouble(text, answer)
        if answer.status in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise NotifyError(f"{text}: {_INSTALL}", reason=FailureReason.AUTH_ERROR, permanent=True)
        if answer.status != requests.codes.ok:
            text = f"{text}; is there a proxy in between, or is AWB_SLACK_API_URL wrong?"
            raise NotifyError(text, reason=FailureReason.CLIENT_ERROR, permanent=True)
        found = _object(answer.text)
        if found is None:
            # A proxy's page, or an incomplete answer: it is unknown whether the call took effect.
            text = f"{text} in an unknown format"
            raise NotifyError(text, reason=FailureReason.SERVER_ERROR, permanent=False)
        if found.get("ok") is not True:
            raise refusal(method, found, answer)
        return found | {"granted": answer.headers.get("X-OAuth-Scopes", "")}


def refusal(method: str, found: Mapping[str, Any], answer: Answer) -> SlackRefusalError:
    """Return the error for an answer with `ok: false`."""
    error = found.get("error")
    word = error if isinstance(error, str) and _WORD.fullmatch(error) else ""
    text = f"Slack refused {method}: {word or 'with an unknown code'}"
    if word in TOO_MANY:
        limited = rate_limited(text, answer.headers.get("Retry-After"))
        wait = limited.retry_after
        return SlackRefusalError(word, text, reason=limited.reason, permanent=False, retry_after=wait)
    if word in LATER:
        return SlackRefusalError(word, text, reason=FailureReason.SERVER_ERROR, permanent=False)
    if word in AUTH_ERRORS:
        remedy = f"{AUTH_ERRORS[word]}{_needed(found)}"
        return SlackRefusalError(word, f"{text}; {remedy}", reason=FailureReason.AUTH_ERROR)
    return SlackRefusalError(word, f"{text}; {CLIENT_ERRORS[word]}" if word in CLIENT_ERRORS else text)


def _needed(found: Mapping[str, Any]) -> str:
    """Return the scopes that are missing according to Slack."""
    needed = found.get("needed")
    return f" (needed: {needed})" if isinstance(needed, str) and _SCOPES.fullmatch(needed) else ""


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
