"""Slack as a bot: one message for each thread of alerts, updated in place, with each change as a reply.

A notification takes up to five calls, in an order that can be interrupted anywhere and repeated:

1. `chat.update` of the thread's first message. Repeating it is harmless.
2. `chat.postMessage` of the reply. If the process dies before the outbox records it, the next attempt finds the reply
by its metadata; without permission to look, the reply is posted twice.

The first message is one `chat.postMessage`, found in the same way. So is the message that replaces it if it no longer
exists.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from app.core.alert.alert import Alert, Notification
from app.core.alert.decision import Reason
from app.core.alert.handle import Handle
from app.core.alert.severity import Severity
from app.net.session import WebSession
from app.notifiers.base import FailureReason, Notifier, NotifyError
from app.notifiers.slack.api import CLIENT_ERRORS, SlackApi, SlackRefusalError
from app.notifiers.slack.blocks import render, render_actor

_EVENT: Final = "awb_notification"
#: The first message cannot be updated or answered any more: it or its channel was deleted or closed to the bot.
GONE: Final = frozenset(
    {
        "block_mismatch",
        "cannot_reply_to_message",
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "is_archived",
        "is_inactive",
        "message_not_found",
        "not_in_channel",
        "restricted_action_non_threadable_channel",
        "team_not_found",
        "thread_not_found",
    }
)
_ID: Final = re.compile(r"[CDG][A-Z0-9]{6,}")
_PAGE: Final = 50
# The maximum difference between Slack's clock and ours.
_SKEW: Final = timedelta(minutes=5)
# The arguments of chat.postMessage that chat.update accepts, too.
_UPDATED: Final = ("text", "parse", "link_names", "blocks")


class SlackBot(Notifier):
    """One channel, through a bot's token.

    Args:
        token: the bot's token, with the scope chat:write; a secret.
        channel: the channel's id or name; messages can be looked up only by id.
        api_url: the base URL of the Web API.
        buttons: whether to offer buttons to acknowledge and snooze.
    """

    threads = True

    def __init__(
        self,
        token: str,
        channel: str,
        *,
        api_url: str = "https://slack.com/api",
        buttons: bool = False,
        session: WebSession | None = None,
    ) -> None:
        if not channel or re.search(r"\s", channel):
            raise ValueError(f"“{channel[:80]}” is no Slack channel: give its id, such as C0123456789")
        self._api = SlackApi(token, api_url, session or WebSession())
        self._channel = channel
        self._buttons = buttons

    def send(self, notification: Notification, thread: Handle | None = None, *, retry: bool = False) -> Handle | None:
        if not notification.alert.leads:
            self._post_reply(notification, thread, retry=retry)
            return None
        if thread and self._update_thread(notification, thread, retry=retry):
            return None
        return self._post_once(notification, None, self._whole(notification.alert), retry=retry)

    def probe(self) -> None:
        granted = str(self._api.write("auth.test")["granted"]).replace(" ", "").split(",")
        if granted != [""] and "chat:write" not in granted:
            text = "the token lacks the scope chat:write; add it and install the app again"
            raise SlackRefusalError("missing_scope", text, reason=FailureReason.AUTH_ERROR)
        if not _ID.fullmatch(self._channel):
            return
        try:
            found = self._api.read("conversations.info", channel=self._channel).get("channel")
        except SlackRefusalError as error:
            if error.word != "missing_scope":
                raise
            return
        about = found if isinstance(found, dict) else {}
        if about.get("is_archived") is True:
            raise _about_channel("is_archived", "the channel is archived")
        if about.get("is_member") is False and "chat:write.public" not in granted:
            raise SlackRefusalError(
                "not_in_channel", f"the bot is not in the channel; {CLIENT_ERRORS['not_in_channel']}"
            )

    def _update_thread(self, notification: Notification, thread: Handle, *, retry: bool) -> bool:
        """Update the first message and reply to it; False if it no longer exists."""
        alert = notification.alert
        whole = self._whole(alert)
        try:
            self._api.write(
                "chat.update",
                channel=thread.place,
                ts=thread.message,
                **{name: whole[name] for name in _UPDATED},
            )
            self._post_once(notification, thread, self._reply(alert), retry=retry)
        except SlackRefusalError as error:
            if error.word not in GONE:
                raise
            return False
        return True

    def _post_reply(self, notification: Notification, thread: Handle | None, *, retry: bool) -> None:
        """Post a message that does not start a thread: as a reply if there is a thread."""
        message = self._reply(notification.alert) if thread else self._alone(notification.alert)
        try:
            self._post_once(notification, thread, message, retry=retry)
        except SlackRefusalError as error:
            if thread is None or error.word not in GONE:
                raise
        else:
            return
        self._post_once(notification, None, self._alone(notification.alert), retry=retry)

    def _whole(self, alert: Alert) -> dict[str, Any]:
        return render(alert, buttons=self._buttons)

    def _alone(self, alert: Alert) -> dict[str, Any]:
        return render_actor(alert) if alert.reason is Reason.ACKNOWLEDGED else self._whole(alert)

    def _reply(self, alert: Alert) -> dict[str, Any]:
        """Render a reply. Like the first message, a reply that is also sent to the channel has buttons."""
        if alert.reason is Reason.ACKNOWLEDGED:
            return render_actor(alert)
        reached = alert.reason in (Reason.FIRST, Reason.ESCALATED)
        if alert.leads and reached and alert.severity is Severity.CRITICAL:
            return {**self._whole(alert), "reply_broadcast": True}
        return render(alert, buttons=self._buttons and not alert.leads)

    def _post_once(
        self, notification: Notification, thread: Handle | None, message: Mapping[str, Any], *, retry: bool
    ) -> Handle | None:
        """Post a message, or find the one that an earlier attempt posted; None if Slack returns no handle."""
        found = self._find(notification, thread) if retry else None
        if found:
            return found
        place = {"channel": thread.place, "thread_ts": thread.message} if thread else {"channel": self._channel}
        metadata = {"event_type": _EVENT, "event_payload": _identity(notification)}
        posted = self._api.write("chat.postMessage", **place, **message, metadata=metadata)
        return _handle(posted.get("channel"), posted.get("ts"))

    def _find(self, notification: Notification, thread: Handle | None) -> Handle | None:
        """Find an own message by its metadata; failing that, a duplicate is better than a missing message."""
        method = "conversations.replies" if thread else "conversations.history"
        place = {"channel": thread.place, "ts": thread.message} if thread else {"channel": self._channel}
        oldest = (notification.decided_at - _SKEW).timestamp()
        try:
            found = self._api.read(
                method, **place, oldest=f"{oldest:.6f}", limit=str(_PAGE), include_all_metadata="true"
            )
        except NotifyError:
            return None
        messages = found.get("messages")
        for message in messages if isinstance(messages, list) else []:
            if isinstance(message, dict) and _is(message.get("metadata"), notification):
                return _handle(place["channel"], message.get("ts"))
        return None


def _identity(notification: Notification) -> dict[str, str]:
    # Two deployments that share a channel may share ids.
    return {"id": notification.id, "deployment": notification.alert.deployment}


def _is(metadata: Any, notification: Notification) -> bool:
    return isinstance(metadata, dict) and (metadata.get("event_type"), metadata.get("event_payload")) == (
        _EVENT,
        _identity(notification),
    )


def _handle(place: Any, message: Any) -> Handle | None:
    return Handle(place, message) if isinstance(place, str) and isinstance(message, str) and place and message else None


def _about_channel(word: str, text: str) -> SlackRefusalError:
    return SlackRefusalError(word, f"{text}; {CLIENT_ERRORS[word]}")
