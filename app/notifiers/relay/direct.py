"""A letter as a direct message from a Slack bot."""

from typing import Any, Final

from app.core.relay.letter import Letter
from app.core.text.lines import one_line
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.slack.api import SlackApi, SlackRefusalError
from app.notifiers.slack.blocks import fit

_LONGEST_TITLE, _LONGEST_TEXT, _LONGEST_BUTTON = 150, 3000, 75
_LONGEST_MARKDOWN: Final = 12_000
_MOST_BUTTONS: Final = 25
#: Slack does not know the address, or the person cannot be messaged.
UNKNOWN: Final = frozenset(
    {
        "users_not_found", "user_not_found", "user_disabled", "user_not_visible", "cannot_dm_bot",
        "messages_tab_disabled", "channel_not_found", "is_archived", "not_in_channel",
    }
)  # fmt: skip
#: Errors for which Slack accepts the text without the blocks.
_BLOCKS: Final = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
_ENTITIES: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


class DirectMessages:
    """Direct messages. The bot needs the scopes `chat:write`, `im:write` and `users:read.email`."""

    def __init__(self, api: SlackApi) -> None:
        self._api = api

    def open(self, address: str) -> str | None:
        """Return the id of the conversation with the person who has this address; None if Slack does not know it.

        Raises:
            NotifyError: the lookup failed.
        """
        try:
            user = self._api.read("users.lookupByEmail", email=address).get("user")
            found = self._api.write("conversations.open", users=_id(user)).get("channel")
        except SlackRefusalError as error:
            if error.word in UNKNOWN:
                return None
            raise
        return _id(found)

    def post(self, conversation: str, letter: Letter) -> None:
        """Post once.

        Raises:
            NotifyError: Slack did not accept it.
        """
        message = {"channel": conversation, **render(letter)}
        try:
            self._api.write("chat.postMessage", **message)
        except SlackRefusalError as error:
            if error.word not in _BLOCKS:
                raise
            self._api.write("chat.postMessage", **{key: value for key, value in message.items() if key != "blocks"})


def render(letter: Letter) -> dict[str, Any]:
    """Return the message: title, Markdown, and the links as buttons. Its text also contains all of it."""
    links = "\n".join(f"{label}: {url}" for label, url in letter.actions)
    whole = "\n\n".join(part for part in (one_line(letter.title), letter.text, links) if part)
    buttons = [
        {
            "type": "button",
            "action_id": f"open_{number}",
            "text": {"type": "plain_text", "text": fit(label, _LONGEST_BUTTON), "emoji": False},
            "url": url,
        }
        for number, (label, url) in enumerate(letter.actions[:_MOST_BUTTONS])
    ]
    # Markdown displays entities as characters, so no mention such as <!channel> takes effect.
    markdown = letter.markdown.translate(_ENTITIES)[:_LONGEST_MARKDOWN]
    return {
        "text": whole.translate(_ENTITIES)[:_LONGEST_TEXT],
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": fit(letter.title, _LONGEST_TITLE), "emoji": False},
            },
            *([{"type": "markdown", "text": markdown}] if markdown else []),
            *([{"type": "actions", "elements": buttons}] if buttons else []),
        ],
    }


def _id(found: Any) -> str:
    given = found.get("id") if isinstance(found, dict) else None
    if not isinstance(given, str) or not given.isalnum():
        text = "Slack's answer is not in Slack's format"
        raise NotifyError(text, reason=FailureReason.SERVER_ERROR, permanent=False)
    return given
