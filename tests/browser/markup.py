"""Rules that every page's HTML has to follow."""

from collections import Counter
from html.parser import HTMLParser

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_FORM = frozenset({"input", "select", "textarea"})


class Markup(HTMLParser):
    """The elements of a page, in order, as (name, attributes), and errors in their nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.unclosed: list[str] = []
        self.wrong: list[str] = []
        self.text = ""
        self.feed(text)
        self.wrong += [f"<{name}> is not closed" for name in self.unclosed]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.wrong += [f"<{tag}> has {name} twice" for name, count in Counter(names).items() if count > 1]
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.unclosed or self.unclosed.pop() != tag:
            self.wrong.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    def links(self) -> list[str]:
        return [attributes["href"] for attributes in self.all("a")]

    def hidden_fields(self) -> dict[str, str]:
        return {a["name"]: a["value"] for a in self.all("input") if a.get("type") == "hidden"}


def complaints(text: str) -> list[str]:
    """Return what is wrong with a page; empty if nothing is."""
    page = Markup(text)
    found = list(page.wrong)
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    found += [f"id {name} occurs {count} times" for name, count in ids.items() if count > 1]
    labelled = {attributes.get("for") for attributes in page.all("label")}
    fields = [a for a in page.all(*_FORM) if a.get("type") not in ("hidden", "submit")]
    found += [f"no label for {a}" for a in fields if a.get("id") not in labelled and "aria-label" not in a]
    for attribute in ("aria-labelledby", "aria-describedby", "for"):
        told = {name for _, a in page.elements for name in a.get(attribute, "").split()}
        found += [f"{attribute} names {name}, which does not exist" for name in told - set(ids)]
    found += ["more or fewer than one h1"] if len(page.all("h1")) != 1 else []
    found += ["no lang"] if page.all("html")[0].get("lang") != "en" else []
    found += [f"a script: {a}" for a in page.all("script")]
    found += [f"an inline style: {a}" for _, a in page.elements if "style" in a]
    found += [f"an inline handler: {a}" for _, a in page.elements if any(name.startswith("on") for name in a)]
    found += ["an inline stylesheet"] if page.all("style") else []
    posts = [a for a in page.all("form") if a.get("method") == "post"]
    tokens = [a for a in page.all("input") if a.get("name") == "csrf_token"]
    return found + (["a form that posts has no csrf_token"] if len(posts) != len(tokens) else [])
