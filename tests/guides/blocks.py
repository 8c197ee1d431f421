"""The code blocks of the documents, and the tests that take them from there.

A test gets a block by its document and heading, `block("docs/backup.md", "Restore")`, and runs what stands there. Both
are written out, so that `taken` finds every call in the source of the tests.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from tests.syntax import parse

ROOT: Final = Path(__file__).resolve().parents[2]
_FENCE: Final = re.compile(r"(?P<indent> *)```(?P<language>\S*)")
_HEADING: Final = re.compile(r"#{1,6} +(?P<text>.+)")


class Place(NamedTuple):
    """Where a block stands: the document, the nearest heading above it, and its number under that, from 1."""

    document: str
    heading: str
    number: int = 1


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code."""

    place: Place
    language: str
    text: str


def documents() -> list[str]:
    """Return every document for people, as a path in the repository."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    return sorted(str(file.relative_to(ROOT)) for file in found)


@cache
def blocks_of(document: str) -> tuple[Block, ...]:
    """Return the blocks of a document, but for directives of its generator such as `{toctree}`."""
    found: list[Block] = []
    heading, fence, lines = "", None, list[str]()
    for line in (ROOT / document).read_text(encoding="utf-8").splitlines():
        if fence and line.strip() != "```":
            lines.append(line.removeprefix(fence["indent"]))
        elif fence:
            number = 1 + sum(block.place.heading == heading for block in found)
            if not fence["language"].startswith("{"):
                text = "".join(f"{one}\n" for one in lines)
                found.append(Block(Place(document, heading, number), fence["language"], text))
            fence, lines = None, []
        elif fence := _FENCE.fullmatch(line):
            pass
        elif title := _HEADING.fullmatch(line):
            heading = title["text"]
    assert fence is None, f"{document}: a block under {heading!r} is not closed"
    return tuple(found)


def block(document: str, heading: str, number: int = 1) -> str:
    """Return the text of a block, as the reader copies it."""
    wanted = Place(document, heading, number)
    found = next((one.text for one in blocks_of(document) if one.place == wanted), None)
    assert found is not None, f"{document} has no block {number} under {heading!r}"
    return found


@dataclass(frozen=True, slots=True)
class Taken:
    """A call of `block`: the block that it names, and where it is, as `tests/….py::function`."""

    place: Place
    by: str


@cache
def taken() -> tuple[Taken, ...]:
    """Return every call of `block` in the tests."""
    found: list[Taken] = []
    for file in sorted((ROOT / "tests").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "block(" in text:
            found += _taken_in(parse(text), str(file.relative_to(ROOT)))
    return tuple(found)


def _taken_in(module: ast.Module, file: str) -> Iterator[Taken]:
    names = {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for part in module.body:
        within = f"{file}::{part.name}" if isinstance(part, ast.FunctionDef | ast.ClassDef) else file
        for node in ast.walk(part):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "block":
                values = [
                    names.get(one.id) if isinstance(one, ast.Name) else getattr(one, "value", None) for one in node.args
                ]
                if len(values) >= 2 and isinstance(values[0], str) and isinstance(values[1], str):
                    yield Taken(Place(*values), within)
