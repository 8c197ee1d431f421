"""Generated parts of the chart: the table of values in its README, and the settings in its schema.

Run this module after a change of values.yaml, settings or queues to update both.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from app.config.settings import SECRET_FIELDS, Settings
from app.store.rq import jobqueue

CHART: Final = Path(__file__).parents[2] / "deploy/helm/awb-meter"
README: Final = CHART / "README.md"
SCHEMA: Final = CHART / "values.schema.json"
#: Settings that the chart or its image sets, or that make no sense in a pod.
_OWNED: Final = {"bind", "metrics_bind", "data_dir", "redis_url", "rules", "trust_loopback", "web_processes"}
_TYPES: Final = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
#: Types of settings that cannot be derived from their defaults.
_OTHER_TYPES: Final = {"limit": ["integer", "string"], "redis_budget": ["integer", "string"], "soft_limit": "integer"}
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
    """Return the comment directly above a line, if it begins with “--”."""
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


def with_settings(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the chart's schema with the program's present settings, secrets and queues."""
    schema = json.loads(json.dumps(schema))
    defaults = Settings().model_dump(mode="json")
    names = [name for name in Settings.model_fields if name not in {*SECRET_FIELDS, *_OWNED}]
    known = {name: _setting(name, defaults[name]) for name in names}
    # Each deployment has its own table; its secrets are files.
    known["deployment_settings"]["additionalProperties"] = {
        "type": "object",
        "propertyNames": {"not": {"enum": list(SECRET_FIELDS)}},
    }
    properties = schema["properties"]
    properties["settings"]["properties"] = known
    properties["secret"]["properties"]["keys"]["items"]["enum"] = list(SECRET_FIELDS)
    properties["workers"]["additionalProperties"]["properties"]["queues"]["items"]["enum"] = list(jobqueue.QUEUES)
    return schema


def _setting(name: str, default: Any) -> dict[str, Any]:
    kind = _OTHER_TYPES.get(name) or _TYPES.get(type(default), "string")
    tables = name in ("routes", "scopes", "forward")
    return {"type": kind, **({"items": {"type": "object" if tables else "string"}} if kind == "array" else {})}


if __name__ == "__main__":
    before = json.loads(SCHEMA.read_text(encoding="utf-8"))
    SCHEMA.write_text(json.dumps(with_settings(before), indent=2) + "\n", encoding="utf-8")
    README.write_text(_TABLE.sub(lambda _: table(), README.read_text(encoding="utf-8")), encoding="utf-8")
