"""The OpenAPI 3.1 document of the API, from its table of operations and the models of requests and answers."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.web.api.call import Operation
from app.web.api.table import OPERATIONS
from app.web.errors import ProblemDetails

TITLE: Final = "Coder AWB meter"
VERSION: Final = "1.0.0"
BASE: Final = "/api/v1"
PATH: Final = "/openapi.json"
_REF: Final = "#/components/schemas/{model}"
_PROBLEM: Final = "application/problem+json"
_PARTS: Final = re.compile(r"{(\w+)}")
_INTRODUCTION: Final = (
    "What was counted, why, and who was notified. GET needs a viewer; everything else needs an admin. On the machine "
    "itself no login is needed. Moments are ISO 8601 in UTC. Errors are problems of RFC 9457. Fields may be added."
)
#: Groups of operations by the first part of their path; operations without a group come last.
_TAGS: Final = {
    "Usage": ("usage", "deployments", "periods", "forecast", "records"),
    "Alerts": ("alerts", "events", "silences", "notifications", "receivers"),
    "Deliveries": ("deliveries", "relays"),
    "Coder": ("coder", "reconcile"),
    "Service": ("health", "queues", "audit", "openapi.json"),
    "More": (),
}
_ALWAYS: Final = {
    400: "A parameter is invalid or unknown.",
    401: "There is no login, or the token is wrong.",
    403: "This needs an admin, or access from elsewhere is not configured.",
    503: "Redis is unavailable.",
}
_WITH_BODY: Final = {
    413: "The body is larger than 64 kB.",
    415: "The body is not application/json.",
    422: "The body is JSON, but invalid.",
}
_SECURITY: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of AWB_API_TOKENS, for a viewer or an admin.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "awb_session",
        "description": "A login at /login. Changes also need the session's token as X-CSRF-Token.",
    },
}
_HEADERS: Final = {
    "ETag": "Changes when the answer does; send it as If-None-Match to get a 304.",
    "Retry-After": "Seconds to wait.",
    "Location": "The URL of the new object.",
}


@cache
def document() -> dict[str, Any]:
    """Return the document, which must not be modified."""
    names, schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        described = _operation(operation, names)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    paths[PATH] = {"get": _itself()}
    used = {operation["tags"][0] for methods in paths.values() for operation in methods.values()}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": _INTRODUCTION},
        "servers": [{"url": BASE}],
        # Any one of these suffices; the last stands for this machine, or a proxy that names the user.
        "security": [{"token": []}, {"session": []}, {}],
        "tags": [{"name": tag} for tag in _TAGS if tag in used],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


def _schemas() -> tuple[dict[type[BaseModel], dict[str, Any]], dict[str, Any]]:
    """Return the reference of each model, and all schemas by name."""
    answers = {operation.answer for operation in OPERATIONS}
    # As in a body, some members of a problem may be missing.
    bodies = {operation.body for operation in OPERATIONS if operation.body} | {ProblemDetails}
    ordered: Sequence[tuple[type[BaseModel], Any]] = [
        *((model, "serialization") for model in sorted(answers, key=lambda model: model.__name__)),
        *((model, "validation") for model in sorted(bodies, key=lambda model: model.__name__)),
    ]
    references, definitions = models_json_schema(ordered, ref_template=_REF)
    names: dict[Any, dict[str, Any]] = {model: dict(reference) for (model, _mode), reference in references.items()}
    return names, _untitled(definitions["$defs"])


def _operation(operation: Operation, names: Mapping[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [_tag(operation.path)],
        "summary": operation.description.partition(".")[0],
        "description": operation.description,
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation.query)],
        "responses": _responses(operation, names),
    }
    if operation.method == "GET" and not operation.private:
        described["parameters"].append(
            {
                "name": "If-None-Match",
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
                "description": "The `ETag` of an earlier answer; 304 means that it is still current.",
            }
        )
    if operation.body:
        content = {"application/json": {"schema": names[operation.body]}}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    return described


def _tag(path: str) -> str:
    first = path.split("/")[1]
    return next((tag for tag, parts in _TAGS.items() if first in parts), "More")


def _path_parameters(path: str) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in _PARTS.findall(path)]


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    properties = model.model_json_schema(by_alias=True)["properties"]
    return [_query_parameter(name, _untitled(schema)) for name, schema in properties.items()]


def _query_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a parameter. None in a model means that it was not given; it is not an allowed value."""
    given = [choice for choice in schema.pop("anyOf", [schema]) if choice.get("type") != "null"]
    merged = {**given[0], **{key: value for key, value in schema.items() if key != "default" or value is not None}}
    description = merged.pop("description", None)
    parameter = {"name": name, "in": "query", "required": False, "schema": merged}
    return {**parameter, "description": description} if description else parameter


def _responses(operation: Operation, names: Mapping[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    problems = {**_ALWAYS, **(_WITH_BODY if operation.body else {}), **operation.problems}
    found = {str(status): _problem(status, text, names[ProblemDetails]) for status, text in sorted(problems.items())}
    answer: dict[str, Any] = {
        "description": HTTPStatus(operation.status).phrase,
        "content": {"application/json": {"schema": names[operation.answer]}},
    }
    if operation.method == "GET" and not operation.private:
        answer["headers"] = _headers("ETag")
        found["304"] = {"description": "The answer in If-None-Match is still current.", "headers": _headers("ETag")}
    if operation.status == HTTPStatus.CREATED:
        answer["headers"] = _headers("Location")
    return {str(operation.status): answer, **found}


def _problem(status: int, text: str, reference: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": text, "content": {_PROBLEM: {"schema": reference}}}
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        response["headers"] = _headers("Retry-After")
    return response


def _headers(name: str) -> dict[str, Any]:
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}, "required": True}}


def _itself() -> dict[str, Any]:
    """Describe the operation that returns this document."""
    return {
        "operationId": "openapi",
        "tags": [_tag(PATH)],
        "summary": "This document",
        "parameters": [],
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}}},
        },
    }


def _untitled(schema: Any) -> Any:
    """Remove the titles that pydantic derives from names."""
    if isinstance(schema, dict):
        return {key: _untitled(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    return [_untitled(item) for item in schema] if isinstance(schema, list) else schema
