"""The documentation of this version: Markdown files under docs/, rendered as HTML.

Pages, findings and Prometheus alerts link to it, and it is available without internet access.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

#: In the wheel, and in a checkout.
_PLACES: Final = (
    Path(__file__).resolve().parents[2] / "defaults" / "docs",
    Path(__file__).resolve().parents[3] / "docs",
)
INDEX: Final = "index"
RUNBOOK: Final = "runbook"
_CHECK: Final = re.compile(r"`([a-z]+\.(?:[a-z-]+|<[a-z]+>))`")
_NAME: Final = re.compile(r"[a-z0-9-]+(?:/[a-z0-9-]+)?")
_PICTURE: Final = re.compile(r"(?:pictures/)?[a-z0-9-]+\.(?:png|svg)")
#: Characters removed from slugs, as on GitHub and on the static site.
_NOT_IN_SLUG: Final = re.compile(r"[^\w\- ]")
#: Directives of the generator of the static site.
_DIRECTIVE: Final = re.compile(r"^```\{.*?^```$\n?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered document.

    Attributes:
        title: its first heading.
        html: the whole document; headings have the same ids as on GitHub.
    """

    title: str
    html: Markup


def folder() -> Path | None:
    """Return the folder of the documentation; None if this version was installed without it."""
    return next((place for place in _PLACES if (place / f"{INDEX}.md").is_file()), None)


def picture(name: str) -> Path | None:
    """Return the file of a picture used in documents; None if there is none."""
    place = folder()
    path = place / name if place and _PICTURE.fullmatch(name) else None
    return path if path and path.is_file() else None


@lru_cache(maxsize=64)
def document(name: str, address: Callable[[str], str]) -> Document | None:
    """Render a document.

    Args:
        name: its path below docs/ without `.md`.
        address: maps the path of a document or a picture below docs/, with its fragment, to a link.
    """
    place = folder()
    path = place / f"{name}.md" if place and _NAME.fullmatch(name) else None
    if path is None or not path.is_file():
        return None
    return _render(path.read_text(encoding="utf-8"), name, address)


def _render(text: str, name: str, address: Callable[[str], str]) -> Document:
    parser = _parser()
    tokens = parser.parse(_DIRECTIVE.sub("", text))
    title = ""
    slugs: dict[str, int] = {}
    for token, inner in pairwise(tokens):
        if token.type == "heading_open":
            plain = "".join(child.content for child in inner.children or ())
            title = title or plain
            token.attrSet("id", _slug(plain, slugs))
    for token in tokens:
        _rewrite(token.children or (), name, address)
    return Document(title, Markup(parser.renderer.render(tokens, parser.options, {})))  # noqa: S704 - our own text  # nosec B704


def _rewrite(inline: Any, name: str, address: Callable[[str], str]) -> None:
    """Rewrite links and pictures to their addresses here; a link to a file that is not here becomes plain text."""
    dropped = False
    for token in inline:
        if token.type == "link_open":
            href = str(token.attrGet("href"))
            link = href if href.startswith(("#", "http")) else _inside(href, name)
            dropped = not link
            token.attrSet("href", link if link.startswith(("#", "http")) else address(link))
        elif token.type == "image":
            token.attrSet("src", address(_inside(str(token.attrGet("src")), name)))
        if dropped and token.type in ("link_open", "link_close"):
            token.type, token.tag, token.content = "text", "", ""


def _slug(heading: str, used: dict[str, int]) -> str:
    """Return the id of a heading, unique in its document."""
    slug = _NOT_IN_SLUG.sub("", heading.lower()).replace(" ", "-")
    used[slug] = used.get(slug, -1) + 1
    return f"{slug}-{used[slug]}" if used[slug] else slug


def _inside(link: str, name: str) -> str:
    """Return a link relative to docs/, without `.md`; empty if it leads out of docs/."""
    target, _, fragment = link.partition("#")
    parts = list(Path(name).parent.parts)
    for part in Path(target).parts:
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        else:
            parts.append(part)
    path = "/".join(parts).removesuffix(".md")
    return f"{path}#{fragment}" if fragment else path


@cache
def _remedies() -> dict[str, str]:
    """Map each check in the runbook to the heading with its remedy; `<…>` in a name ends a prefix."""
    place = folder()
    found: dict[str, str] = {}
    text = (place / f"{RUNBOOK}.md").read_text(encoding="utf-8") if place else ""
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        slug = _slug(section.partition("\n")[0], {})
        found |= dict.fromkeys(_CHECK.findall(section), slug)
    return found


def remedy(check: str) -> str:
    """Return the place in the documentation with the remedy for a failed check, such as `runbook#a-clock-is-wrong`."""
    group = check.partition(".")[0]
    slug = _remedies().get(check) or next((s for name, s in _remedies().items() if name.startswith(f"{group}.<")), "")
    return f"{RUNBOOK}#{slug}" if slug else ""


@cache
def _parser() -> Any:
    # Slow to import and rarely needed.
    from markdown_it import MarkdownIt  # noqa: PLC0415

    parser: Any = MarkdownIt("commonmark", {"html": False}).enable("table")
    rules = parser.renderer.rules
    rules["table_open"] = lambda *_: '<div class="scroll"><table class="cells">\n'
    rules["table_close"] = lambda *_: "</table></div>\n"
    rules["fence"] = _fence
    return parser


def _fence(tokens: Any, place: int, _options: Any, _env: Any) -> str:
    # Long lines scroll, so the block must be focusable by keyboard.
    return f'<pre tabindex="0">{Markup.escape(tokens[place].content)}</pre>\n'
