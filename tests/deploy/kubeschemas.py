"""Strict JSON schemas for kubeconform, from the API description of Kubernetes and from custom resource definitions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

#: Kubernetes types that are described as strings but also accept numbers.
_NUMBERS_TOO: Final = (
    "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
)
#: Where kubeconform looks, as its template.
LOCATION: Final = "{{ .ResourceKind }}-{{ .ResourceAPIVersion }}.json"


def write_schemas(swagger: Path, custom: list[Path], folder: Path) -> None:
    """Write a schema for each kind to a folder."""
    definitions = json.loads(swagger.read_text(encoding="utf-8"))["definitions"]
    strict = {name: _strict(definition) for name, definition in definitions.items()}
    for name in _NUMBERS_TOO:
        strict[name] = {"type": ["string", "integer", "number"]}
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            # References point to the definitions in the same file.
            schema = {"$ref": f"#/definitions/{name}", "definitions": _reachable(strict, name)}
            _write(folder, kind["kind"], kind["version"], schema)
    for file in custom:
        spec = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
        for version in spec["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            # In the custom resource's own description, metadata is any object.
            schema["properties"]["metadata"] = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
            schema["definitions"] = _reachable(strict, "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
            _write(folder, spec["names"]["kind"], version["name"], schema)


def _strict(node: Any) -> Any:
    """Return a schema that rejects unknown fields."""
    if isinstance(node, list):
        return [_strict(one) for one in node]
    if not isinstance(node, Mapping):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    strict = {key: _strict(value) for key, value in node.items() if key not in ("format", "description", "default")}
    if "properties" in node:
        strict["properties"] = {name: _strict(schema) for name, schema in node["properties"].items()}
        if "additionalProperties" not in node and not node.get("x-kubernetes-preserve-unknown-fields"):
            strict["additionalProperties"] = False
    return strict


def _reachable(definitions: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    left = [name]
    while left:
        one = left.pop()
        if one not in found:
            found[one] = definitions[one]
            left += [text.rpartition("/")[2] for text in _references(definitions[one])]
    return found


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [text for one in node for text in _references(one)]
    if not isinstance(node, Mapping):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [text for value in node.values() for text in _references(value)]


def _write(folder: Path, kind: str, version: str, schema: Mapping[str, Any]) -> None:
    (folder / f"{kind.lower()}-{version}.json").write_text(json.dumps(schema), encoding="utf-8")
