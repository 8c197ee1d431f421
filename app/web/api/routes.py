"""The HTTP API, /api/v1: routes from the table of operations, and what they all have in common."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import redis
from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError

from app.answers.shape import Answer
from app.config.load import Config
from app.store.store import Store
from app.web.access.guard import person, require_admin
from app.web.access.scope import only
from app.web.api import openapi
from app.web.api.call import Call, Operation
from app.web.api.requests import NoQuery, objections
from app.web.api.table import OPERATIONS
from app.web.errors import Problem
from app.web.paths import rooted

_LARGEST_BODY: Final = 65_536
_MOST_OBJECTIONS: Final = 10
_PART: Final = re.compile(r"{(\w+)}")
#: Fields that are ignored in the ETag, because they change with every request.
_MOVING: Final = ("as_of",)


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the API's routes. All of them take `?deployment=`, by default the configured one."""
    routes = Blueprint("api", __name__, url_prefix="/api/v1")

    @routes.before_request
    def bound() -> None:
        request.max_content_length = _LARGEST_BODY

    for operation in OPERATIONS:
        view = _view(operation, config, connection)
        rule = _PART.sub(r"<\1>", operation.path)
        routes.add_url_rule(rule, operation.name, view, methods=[operation.method])
    routes.add_url_rule(openapi.PATH, "openapi", _document)
    return routes


def _view(operation: Operation, config: Config, connection: "redis.Redis") -> Callable[..., Any]:
    def view(**path: str) -> Response:
        query: Any = _query(operation.query)
        asker = person()
        deployment = query.deployment or only() or config.settings.deployment
        call = Call(
            store=Store(connection, deployment),
            config=config.of(deployment),
            query=query,
            path=path,
            body=_body(operation) if operation.body else None,
            actor=asker.name if asker else "",
            only=only(),
        )
        return _answer(operation, operation.view(call))

    return view if operation.method == "GET" else require_admin(view)


def _query(model: type[BaseModel]) -> BaseModel:
    twice = [name for name in request.args if len(request.args.getlist(name)) > 1]
    if twice:
        raise Problem(400, f"`{twice[0][:80]}` is given twice.")
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise _refusal(400, objections(model, error)) from error


def _body(operation: Operation) -> BaseModel | None:
    model = operation.body
    data = request.get_data()
    if model is None or (not data and not operation.body_required):
        return None
    if request.mimetype != "application/json":
        raise Problem(415, "Send the body as application/json.")
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        if any(item["type"] == "json_invalid" for item in error.errors(include_url=False, include_input=False)):
            raise Problem(400, "The body is not valid JSON.") from error
        raise _refusal(422, objections(model, error)) from error


def _refusal(status: int, wrong: list[str]) -> Problem:
    shown = wrong[:_MOST_OBJECTIONS]
    return Problem(status, " ".join(shown), errors=shown)


def _answer(operation: Operation, found: Answer) -> Response:
    value = found.plain()
    answer = Response(_text(value), operation.status, mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    if operation.status == HTTPStatus.CREATED:
        answer.headers["Location"] = rooted(f"{request.path}/{value['id']}")
    if operation.method == "GET" and not operation.private:
        # Only the browser may cache it, and must revalidate each time; a 304 is cheap.
        answer.headers["Cache-Control"] = "private, no-cache"
        lasting = {name: part for name, part in value.items() if name not in _MOVING}
        answer.set_etag(hashlib.blake2s(_text(lasting).encode(), digest_size=12).hexdigest(), weak=True)
        answer.make_conditional(request)
    return answer


def _document() -> Response:
    _query(NoQuery)
    answer = Response(
        _text({**openapi.document(), "servers": [{"url": rooted(openapi.BASE)}]}), mimetype="application/json"
    )
    answer.headers["Cache-Control"] = "private, max-age=300"
    return answer


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
