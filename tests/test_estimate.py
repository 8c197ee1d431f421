"""What is said of the number that comes from notifications alone: it errs both ways (docs/accuracy.md)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_docs import ROOT

READ = (".md", ".py", ".html", ".toml", ".json", ".yml", ".yaml", ".txt", ".lua", ".js", ".css", ".example")
# What would promise that the true number is never smaller.
PROMISES = re.compile(
    r"lower[\s-]+bounds?\b|lower[\s-]+limit\b|\bminimum (?:number|count)\b|true number is this or more"
    r"|never (?:too high|more than the truth|above the truth)|can only be too low",
    re.IGNORECASE,
)
CASES = ("too low by 1", "too high by 1", "how likely")


def ours(path: Path) -> bool:
    """Leave out what npm puts beside the Slack example of the bench."""
    return "node_modules" not in path.parts


def surfaces() -> Iterator[Path]:
    """Yield every file that people read or whose texts they see."""
    for name in ("app", "workers", "config", "deploy", "docs", "bench"):
        yield from (path for path in (ROOT / name).rglob("*") if path.suffix in READ and path.is_file() and ours(path))
    yield ROOT / "README.md"
    yield ROOT / "CONTRIBUTING.md"


def promises(text: str) -> list[str]:
    return PROMISES.findall(text)


def test_no_surface_calls_the_estimate_a_lower_bound() -> None:
    found = {str(path.relative_to(ROOT)): promises(path.read_text(encoding="utf-8")) for path in surfaces()}
    assert len(found) > 200
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize(
    "text", ["a lower bound", "A Lower\nBound", "The true number is this or more.", "it can only be too low"]
)
def test_such_a_promise_would_be_found(text: str) -> None:
    assert promises(text) != []


@pytest.mark.parametrize(
    "name", ["README.md", "docs/accuracy.md", "app/web/templates/usage.html", "app/answers/usage.py"]
)
def test_where_the_estimate_is_explained_both_directions_are_named(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "too low" in text
    assert "too high" in text


def test_the_documentation_says_how_likely_each_error_is() -> None:
    text = (ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
    section = text.split("## How far off an estimate can be")[1].split("\n## ")[0]
    assert [case for case in CASES if case not in section] == []
