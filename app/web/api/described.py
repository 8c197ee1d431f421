"""The OpenAPI document in a form for the page: operations by group, parameters, models, examples and curl lines."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from shlex import quote
from typing import Any, Final
from urllib.parse import quote as quoted_part

from app.web.api.example import example, tomorrow

_JSON: Final = "application/json"
_PART: Final = re.compile(r"{(\w+)}")
_NULL: Final = {"type": "null"}


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a model.

    Attributes:
        place: `path`, `query` or `header` for a parameter.
        model: the model of its values, if they have one.
    """

    name: str
    kind: str
    required: bool
    description: str
    place: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """One operation.

    Attributes:
        body, answer: names of models; empty for none.
        statuses: every possible status with its meaning.
        curl: a command that can be run in a shell with the token in AWB_TOKEN.
    """

    name: str
    method: str
    path: str
    description: str
    parameters: Sequence[Field]
    body: str
    answer: str
    statuses: Sequence[tuple[str, str]]
    example: str
    curl: str


@dataclass(frozen=True, slots=True)
class Here:
    """The values of this deployment that the examples use.

    Attributes:
        base: the URL of the service, without a trailing slash.
        query: the query string of every URL; names a deployment other than the default.
        now: the current time in the examples.
        known: existing names and ids for parts of the path and fields of the body, by path; those under "" are for
            every path.
    """

    base: str
    query: str
    now: datetime
    known: Mapping[str, Mapping[str, str]]

    def at(self, path: str) -> dict[str, str]:
        return {**self.known.get("", {}), **self.known.get(path, {})}


def groups(document: Mapping[str, Any], here: Here) -> list[tuple[str, list[Described]]]:
    """Return the operations by tag, in the order of the document's tags."""
    order = [tag["name"] for tag in document["tags"]]
    found = [
        (order.index(operation["tags"][0]), _described(document, path, method, here))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    found.sort(key=lambda pair: pair[0])
    return [(order[n], [one for _, one in of]) for n, of in groupby(found, key=lambda pair: pair[0])]


def models(document: Mapping[str, Any]) -> dict[str, list[Field]]:
    """Return the fields of each model, by its name; models without fields are left out."""
    schemas = document["components"]["schemas"]
    return {name: _fields(schema) for name, schema in schemas.items() if schema.get("properties")}


def _described(document: Mapping[str, Any], path: str, method: str, here: Here) -> Described:
    operation, schemas = document["paths"][path][method], document["components"]["schemas"]
    known = here.at(path)
    body = _schema_of(operation.get("requestBody", {}))
    status = next(code for code in operation["responses"] if code.startswith("2"))
    answer = _schema_of(operation["responses"][status])
    shown = example(answer, schemas, here.now, known)
    sent = example(body, schemas, tomorrow(here.now), known, required_only=True) if body else None
    url = (
        here.base + document["servers"][0]["url"] + _PART.sub(lambda part: _in_path(part[1], known), path) + here.query
    )
    return Described(
        name=operation["operationId"],
        method=method.upper(),
        path=document["servers"][0]["url"] + path,
        description=operation.get("description", operation["summary"]),
        parameters=[_parameter(one) for one in operation["parameters"]],
        body=_model(body),
        answer=_model(answer),
        statuses=[(code, said["description"]) for code, said in operation["responses"].items()],
        example=json.dumps(shown, indent=2, ensure_ascii=False) if shown else "",
        curl=_curl(method.upper(), url, sent),
    )


def _in_path(name: str, known: Mapping[str, str]) -> str:
    return quoted_part(known.get(name) or name.upper(), safe=":")


def _curl(method: str, url: str, body: Any) -> str:
    lines = ['curl -sS -H "Authorization: Bearer $AWB_TOKEN"']
    if method != "GET":
        lines[0] += f" -X {method}"
    if body is not None:
        lines += [f"-H {quote('Content-Type: application/json')}", f"-d {quote(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n  ".join([*lines, quote(url)])


def _schema_of(part: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = part.get("content", {}).get(_JSON, {}).get("schema", {})
    return found


def _parameter(one: Mapping[str, Any]) -> Field:
    schema = one["schema"]
    return Field(one["name"], _kind(schema), one["required"], one.get("description", ""), one["in"], _model(schema))


def _fields(schema: Mapping[str, Any]) -> list[Field]:
    needed = schema.get("required", ())
    return [
        Field(name, _kind(part), name in needed, part.get("description", ""), model=_model(part))
        for name, part in schema["properties"].items()
    ]


def _kind(schema: Mapping[str, Any]) -> str:
    """Describe the allowed values in words."""
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "$ref" in schema:
        return _model(schema)
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    kind = str(schema.get("format") or schema.get("type") or "any JSON")
    if kind == "array":
        return f"list of {_kind(schema['items'])}" if schema.get("items") else "list"
    return kind


def _model(schema: Mapping[str, Any]) -> str:
    """Return the model that a schema refers to, directly or in a list."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    inner = [*schema.get("anyOf", ()), schema.get("items") or _NULL]
    return next((found for found in map(_model, inner) if found), "") if inner != [_NULL] else ""
