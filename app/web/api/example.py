"""Example values for a schema of the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

_REF: Final = "#/components/schemas/"
#: Deeper than any of our models; recursion in a model ends here.
_DEEPEST: Final = 8
#: Typical texts by field name, for schemas without an example.
_TEXTS: Final[Mapping[str, str]] = {
    "deployment": "coder",
    "meter": "awb",
    "user": "ada",
    "owner": "ada",
    "template": "docker",
    "organization": "coder",
    "workspace": "fix-the-login",
    "alert": "awb",
    "level": "75%",
    "severity": "warning",
    "receiver": "slack",
    "target": "relay",
    "version": "2.31.0",
}
#: The same for numbers; the default is 1.
_NUMBERS: Final[Mapping[str, float]] = {
    "used": 1130,
    "counted": 1130,
    "coder_actual": 1130,
    "limit": 1500,
    "soft_limit": 1350,
    "percent": 75.3,
    "projected": 1412,
    "provisional": 0,
    "drift": 0,
}


def example(
    schema: Mapping[str, Any],
    schemas: Mapping[str, Any],
    moment: datetime,
    known: Mapping[str, str],
    *,
    required_only: bool = False,
) -> Any:
    """Return a value that the schema allows.

    Args:
        schema: a part of the document.
        schemas: the document's models by name.
        moment: the value for moments and days.
        known: existing texts of this deployment, by field name.
        required_only: leave out optional fields, as in the shortest body.
    """
    return _Maker(schemas, moment, {**_TEXTS, **known}, required_only).value(schema, "", 0)


@dataclass(frozen=True, slots=True)
class _Maker:
    schemas: Mapping[str, Any]
    moment: datetime
    texts: Mapping[str, str]
    required_only: bool

    def value(self, part: Mapping[str, Any], name: str, depth: int) -> Any:
        part = self._chosen(part)
        given = part.get("examples") or part.get("enum")
        if given:
            return given[0]
        kind = part.get("type")
        if kind == "object":
            return self._members(part, depth + 1)
        if kind == "array":
            return [self.value(part["items"], name, depth + 1)] if depth < _DEEPEST and part.get("items") else []
        if kind == "string":
            return self._text(part, name)
        return {"boolean": False, "integer": _NUMBERS.get(name, 1), "number": _NUMBERS.get(name, 1)}.get(str(kind))

    def _chosen(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        """Resolve references, and take the first of several choices that is not null."""
        while True:
            if "$ref" in part:
                part = self.schemas[str(part["$ref"]).removeprefix(_REF)]
            elif "anyOf" in part and not part.get("examples"):
                part = next(choice for choice in part["anyOf"] if choice.get("type") != "null")
            else:
                return part

    def _members(self, part: Mapping[str, Any], depth: int) -> dict[str, Any]:
        if depth > _DEEPEST:
            return {}
        needed = part.get("required", ())
        found = {
            name: self.value(value, name, depth)
            for name, value in part.get("properties", {}).items()
            if not self.required_only or name in needed
        }
        others = part.get("additionalProperties")
        if isinstance(others, dict) and others and not found:
            name = str(part.get("propertyNames", {}).get("enum", ["alert"])[0])
            found[name] = self.value(others, name, depth)
        return found

    def _text(self, part: Mapping[str, Any], name: str) -> str:
        match part.get("format"):
            case "date-time":
                return self.moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")
            case "date":
                return self.moment.date().isoformat()
        return self.texts.get(name) or str(part.get("default") or "text")


def tomorrow(now: datetime) -> datetime:
    """Return the moment for examples of bodies, which must be in the future."""
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
