"""Notifications' Markdown as HTML: rendered by markdown-it and sanitized by nh3."""

from functools import cache
from typing import Any, Final

_TAGS: Final = frozenset(
    {
        "a", "b", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "hr", "i", "li", "ol", "p", "pre", "strong",
        "table", "tbody", "td", "th", "thead", "tr", "ul",
    }
)  # fmt: skip


def to_html(markdown: str) -> str:
    """Return HTML without scripts, images, styles and raw HTML; links lead only to the web or to mail addresses."""
    import nh3  # noqa: PLC0415 - where nothing is relayed, nobody needs it

    return nh3.clean(
        _renderer().render(markdown),
        tags=set(_TAGS),
        attributes={"a": {"href", "title"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )


@cache
def _renderer() -> Any:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - the same

    # Line breaks are kept, as Coder does; HTML in the text is shown as text.
    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")
