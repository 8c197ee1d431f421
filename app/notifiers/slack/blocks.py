"""Messages for Slack in Block Kit, shared by webhook and bot.

Escaping and limits: https://docs.slack.dev/messaging/formatting-message-text and
https://docs.slack.dev/reference/block-kit/blocks
"""

import re
from typing import Any, Final

from app.core.alert.alert import Alert
from app.core.alert.snooze import Button, Target, buttons_of
from app.core.text.lines import one_line
from app.core.text.weburl import is_web_url
from app.net.session import is_preparable
from app.notifiers.text import sign

_LONGEST_HEADER, _LONGEST_TEXT, _LONGEST_FIELD, _LONGEST_LABEL = 150, 3000, 2000, 200
_LONGEST_BUTTON, _LONGEST_URL = 75, 3000
_MOST_FIELDS, _MOST_BUTTONS = 10, 25

_ENTITIES: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
# What mrkdwn would format. Slack has no escape for it, so a text that contains any is sent as plain_text instead.
_MARKUP = re.compile(r"[*~`]|(?<!\w)_|_(?!\w)|^\s*>|:[\w+-]+:", re.ASCII)
_STYLE: Final = {
    "mrkdwn": False,
    "parse": "none",
    "link_names": False,
    "unfurl_links": False,
    "unfurl_media": False,
}


def render(alert: Alert, *, buttons: bool = False) -> dict[str, Any]:
    """Return the message in Slack's format and within its limits.

    Args:
        alert: the content.
        buttons: whether to add the buttons that acknowledge and snooze it, unless it is resolved. Links are always
            added.
    """
    emoji, word = sign(alert)
    return {
        # For notifications, screen readers and search, so it is complete without the blocks. A coloured bar would need
        # an attachment, with which Slack shows this text twice; emoji and word show the severity instead.
        "text": fit(f"{emoji} {word}: {alert.headline}. {alert.summary}", _LONGEST_TEXT),
        **_STYLE,
        "blocks": [
            {"type": "header", "text": _plain(f"{emoji} {word}: {alert.headline}", _LONGEST_HEADER, emoji=True)},
            *_section(alert.summary),
            *_section(alert.meaning),
            *_fields(alert),
            *_section(f"👀 {alert.actor}" if alert.actor else ""),
            *(_buttons(alert) if buttons else []),
            *_links(alert),
            *_context(alert.footer),
        ],
    }


def render_actor(alert: Alert) -> dict[str, Any]:
    """Return the short message about who acknowledged or snoozed the alert."""
    text = f"👀 {alert.actor or 'Acknowledged'}: {alert.headline}"
    return {"text": fit(text, _LONGEST_TEXT), **_STYLE, "blocks": _section(text)}


def is_usable(url: str) -> bool:
    return is_web_url(url) and is_preparable(url)


def fit(text: str, limit: int) -> str:
    """Clean and escape a text, then cut it to at most `limit` characters, never inside an entity."""
    escaped = one_line(text).translate(_ENTITIES)
    if len(escaped) <= limit:
        return escaped
    return re.sub(r"&[a-z]*$", "", escaped[: limit - 1]) + "…"


def _section(text: str) -> list[dict[str, Any]]:
    # Slack rejects the whole message if any text is empty.
    return [{"type": "section", "text": _plain(text, _LONGEST_TEXT)}] if one_line(text) else []


def _context(text: str) -> list[dict[str, Any]]:
    return [{"type": "context", "elements": [_plain(text, _LONGEST_TEXT)]}] if one_line(text) else []


def _fields(alert: Alert) -> list[dict[str, Any]]:
    fields = [_field(label, value) for label, value in alert.facts[:_MOST_FIELDS]]
    return [{"type": "section", "fields": fields}] if fields else []


def _field(label: str, value: str) -> dict[str, Any]:
    label, value = fit(label, _LONGEST_LABEL) or "-", one_line(value) or "-"
    if _MARKUP.search(label) or _MARKUP.search(value):
        return {
            "type": "plain_text",
            "text": f"{label}\n{fit(value, _LONGEST_FIELD - len(label) - 1)}",
            "emoji": False,
        }
    # verbatim, so that Slack does not turn names such as #general or example.com into links.
    text = f"*{label}*\n{fit(value, _LONGEST_FIELD - len(label) - 3)}"
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _buttons(alert: Alert) -> list[dict[str, Any]]:
    value = Target.of(alert).as_value()
    elements = [_button(button, value) for button in buttons_of(alert)]
    return [{"type": "actions", "elements": elements}] if elements else []


def _button(button: Button, value: str) -> dict[str, Any]:
    element = {
        "type": "button",
        "action_id": button.value,
        "text": _plain(button.label, _LONGEST_BUTTON),
        "value": value,
    }
    return {**element, "style": "primary"} if button is Button.ACKNOWLEDGE else element


def _links(alert: Alert) -> list[dict[str, Any]]:
    links = [(label, url) for label, url in alert.links if len(url) <= _LONGEST_URL and is_usable(url)]
    elements = [
        {
            "type": "button",
            "action_id": f"open_{index}",
            "text": _plain(one_line(label) or "Open", _LONGEST_BUTTON),
            "url": url,
        }
        for index, (label, url) in enumerate(links[:_MOST_BUTTONS])
    ]
    return [{"type": "actions", "elements": elements}] if elements else []


def _plain(text: str, limit: int, *, emoji: bool = False) -> dict[str, Any]:
    return {"type": "plain_text", "text": fit(text, limit), "emoji": emoji}
