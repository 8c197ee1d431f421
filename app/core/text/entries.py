"""Lists that people write as one text."""

import re
from collections.abc import Iterable


def entries(text: str) -> list[str]:
    """Split at commas, semicolons and line ends; entries may be quoted."""
    parts = (part.strip() for part in re.split(r"[,;\n]", text))
    return [entry for part in parts if (entry := re.sub(r"""^(["'])(.*)\1$""", r"\2", part).strip())]


def check_words(words: Iterable[str], *, spaces: bool = False, secret: bool = False) -> None:
    """Check that entries contain no quotes and no white space, which would mean a wrong separator.

    Args:
        words: names, ids and similar words.
        spaces: whether they may contain spaces.
        secret: whether they may be secrets, so that the error must not repeat them.

    Raises:
        ValueError: an entry contains one, and so would never match anything.
    """
    wrong = re.compile(r"[\"'“”„‘’]" if spaces else r"[\s\"'“”„‘’]")
    for word in words:
        if wrong.search(word):
            which = "an entry" if secret else f"“{word}”"
            raise ValueError(f"{which} is not one name: separate names with commas, without quotation marks or spaces")


def split_urls(text: str) -> list[str]:
    """Split URLs at commas and white space, which URLs do not contain."""
    return [part for part in re.split(r"[,\s]+", text) if part]
