"""The table of the chart's values, made of the comments in values.yaml; run this module to write it into its README."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).parents[2] / "deploy/helm/awb-meter"
README: Final = CHART / "README.md"
_TABLE: Final = re.compile(r"(?<=\n\n)\| value \|.*?(?=\n\n|\Z)", re.DOTALL)


def table() -> str:
    """Return the table in Markdown.

    Raises:
        ValueError: a value has no comment that begins with “--”.
    """
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    rows = [f"| `{name}` | `{_shown(value)}` | {meaning} |" for name, value, meaning in _rows(text)]
    return "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])


def in_readme() -> str:
    found = _TABLE.search(README.read_text(encoding="utf-8"))
    return found[0].rstrip() if found else ""


def _rows(text: str) -> Iterator[tuple[str, Any, str]]:
    lines = text.splitlines()
    values = yaml.safe_load(text)

    def walk(node: yaml.MappingNode, path: tuple[str, ...]) -> Iterator[tuple[str, Any, str]]:
        for key, value in node.value:
            here = (*path, key.value)
            comment = _comment_above(lines, key.start_mark.line)
            if comment:
                yield ".".join(here), _at(values, here), comment
            elif isinstance(value, yaml.MappingNode) and value.value:
                yield from walk(value, here)
            else:
                raise ValueError(f"{'.'.join(here)} has no comment in values.yaml")

    yield from walk(yaml.compose(text, Loader=yaml.SafeLoader), ())


def _comment_above(lines: list[str], number: int) -> str:
    """Return the comment that ends above a line, if it begins with “--”."""
    found: list[str] = []
    for line in reversed(lines[:number]):
        if not line.strip().startswith("#"):
            break
        found.insert(0, line.strip().removeprefix("#").strip())
        if found[0].startswith("--"):
            return " ".join(found).removeprefix("--").strip().replace("|", "\\|")
    return ""


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        values = values[key]
    return values


def _shown(value: Any) -> str:
    if isinstance(value, dict) and any(isinstance(one, dict) and "queues" in one for one in value.values()):
        return ", ".join(value)
    return json.dumps(value)


if __name__ == "__main__":
    README.write_text(_TABLE.sub(lambda _: table(), README.read_text(encoding="utf-8")), encoding="utf-8")
