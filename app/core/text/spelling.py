"""Hints for typos."""

import difflib
from collections.abc import Sequence


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """Return “ (did you mean …?)” with the closest choice; empty if none is close."""
    near = difflib.get_close_matches(word, choices, n=1)
    return f" (did you mean “{near[0]}”?)" if near else ""
