"""Lists as people write them into one text."""

import re
from collections.abc import Iterable


def entries(text: str) -> list[str]:
    """Split at commas, semicolons and ends of lines; an entry may stand in quotes."""
    parts = (part.strip() for part in re.split(r"[,;\n]", text))
    return [entry for part in parts if (entry := re.sub(r"""^(["'])(.*)\1$""", r"\2", part).strip())]


def check_words(words: Iterable[str], *, spaces: bool = False, secret: bool = False) -> None:
    """Check that entries hold no quotes and no white space: there, they are a separator gone wrong.

    Args:
        words: names, ids and the like.
        spaces: they may hold spaces.
        secret: they may be secrets, so the error repeats none.

    Raises:
        ValueError: one holds them. In silence it would match nothing.
    """
    wrong = re.compile(r"[\"'“”„‘’]" if spaces else r"[\s\"'“”„‘’]")
    for word in words:
        if wrong.search(word):
            which = "an entry" if secret else f"“{word}”"
            raise ValueError(f"{which} is not one name: separate names with commas, without quotation marks or spaces")


def split_urls(text: str) -> list[str]:
    """Split URLs at commas and white space, which no URL holds."""
    return [part for part in re.split(r"[,\s]+", text) if part]
