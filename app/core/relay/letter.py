"""A letter: the text of a notification for the person it is addressed to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from app.core.text.lines import one_line
from app.core.text.weburl import is_web_link

_LONGEST_TITLE: Final = 200
_LONGEST_LABEL: Final = 80
_LONGEST_NAME: Final = 60
_LONGEST_BODY: Final = 100_000
_LONGEST_URL: Final = 3_000
_MOST_ACTIONS: Final = 10
_MOST_SUMMED: Final = 100


@dataclass(frozen=True, slots=True)
class Letter:
    """Title, text and links, as in Coder's own mail.

    Attributes:
        greeting: the person's name.
        text: the text without markup.
        markdown: the text as Markdown.
        actions: (label, URL) pairs.
        template_id: the notification template, for the link that turns it off; empty for none.
        base_url: the deployment's URL, if the links show it; otherwise empty.
    """

    title: str
    greeting: str
    text: str
    markdown: str
    actions: tuple[tuple[str, str], ...]
    template_id: str = ""
    base_url: str = ""


def letter_of(body: bytes, coder_url: str = "") -> Letter:
    """Build the letter of a notification that has passed `read_delivery`.

    Args:
        body: the body as Coder sent it.
        coder_url: the deployment's URL, if configured.
    """
    envelope = json.loads(body)
    payload = envelope["payload"]
    name = one_line(_text(payload, "notification_name"))
    # Webhook v1.0 has no Markdown.
    markdown = _text(envelope, "body_markdown") or _text(envelope, "body")
    title = one_line(_text(envelope, "title")) or name or "A notification from Coder"
    actions = tuple(_actions(payload.get("actions")))
    return Letter(
        title=title[:_LONGEST_TITLE],
        greeting=one_line(_text(payload, "user_name") or _text(payload, "user_username"))[:_LONGEST_NAME],
        text=(_text(envelope, "body") or markdown)[:_LONGEST_BODY].strip(),
        markdown=markdown[:_LONGEST_BODY].strip(),
        actions=actions,
        template_id=_text(payload, "notification_template_id"),
        base_url=coder_url or next((base for _, url in actions if (base := _base(url))), ""),
    )


def summary_of(letters: Sequence[Letter], most: int, minutes: int) -> Letter:
    """Combine letters to one person that were held back."""
    first, shown = letters[0], letters[:_MOST_SUMMED]
    why = (
        f"You received more than {most} notifications within {minutes} minutes. "
        f"These {len(letters)} were held back and are listed here:"
    )
    rows = [f"- {letter.title}" + "".join(f"\n  {label}: {url}" for label, url in letter.actions) for letter in shown]
    marked = [
        f"- {_plain_markdown(letter.title)}"
        + "".join(f" [{_plain_markdown(label)}](<{url}>)" for label, url in letter.actions)
        for letter in shown
    ]
    more = [f"- and {len(letters) - len(shown)} more"] if len(letters) > len(shown) else []
    return Letter(
        title=f"Summary of {len(letters)} notifications from Coder",
        greeting=first.greeting,
        text="\n".join([why, "", *rows, *more]),
        markdown="\n".join([why, "", *marked, *more]),
        actions=(),
        base_url=first.base_url,
    )


def _plain_markdown(text: str) -> str:
    """Escape characters that Markdown interprets."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()<>#+-.!|~&" else letter for letter in text)


def _actions(given: Any) -> list[tuple[str, str]]:
    found = []
    for action in given if isinstance(given, list) else []:
        if not isinstance(action, Mapping):
            continue
        url, label = _text(action, "url").strip(), one_line(_text(action, "label"))[:_LONGEST_LABEL]
        if is_web_link(url) and len(url) <= _LONGEST_URL:
            found.append((label or url, url))
    return found[:_MOST_ACTIONS]


def _base(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc and "@" not in parts.netloc else ""


def _text(of: Mapping[str, Any], key: str) -> str:
    value = of.get(key)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
