"""The HTTP API, /api/v1: routes from the table of operations, and what surrounds every one of them."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import redis
from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from app.answers.shape import Answer
from app.config.load import Config
from app.store.server.connection import unavailable
from app.store.store import Store
from app.web.access.guard import person, require_admin
from app.web.api import openapi
from app.web.api.call import Call, Operation, Problem
from app.web.api.requests import NoQuery, objections
from app.web.api.table import OPERATIONS

_LARGEST_BODY: Final = 65_536
_RETRY_AFTER_SECONDS: Final = 10
_FIRST_ERROR: Final = 400
_MOST_OBJECTIONS: Final = 10
_PART: Final = re.compile(r"{(\w+)}")
#: Left out of the tag: they move though nothing has changed.
_MOVING: Final = ("as_of",)


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the API's routes. Every one takes `?deployment=`, by default the configured one."""
    routes = Blueprint("api", __name__, url_prefix="/api/v1")

    @routes.before_request
    def bound() -> None:
        request.max_content_length = _LARGEST_BODY

    @routes.before_app_request
    def unrouted() -> Response | None:
        # What no route takes belongs to no blueprint: its error handlers never see it.
        error = request.routing_exception
        ours = request.path.startswith("/api/v1/") and error is not None and (error.code or 0) >= _FIRST_ERROR
        return http_problem(error) if ours and error else None

    @routes.errorhandler(redis.exceptions.RedisError)
    def store_away(error: redis.exceptions.RedisError) -> Response:
        headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
        return _told(Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Redis is {unavailable(error)}.", headers=headers))

    routes.register_error_handler(Problem, _told)
    routes.register_error_handler(HTTPException, http_problem)
    for operation in OPERATIONS:
        view = _view(operation, config, connection)
        rule = _PART.sub(r"<\1>", operation.path)
        routes.add_url_rule(rule, operation.name, view, methods=[operation.method])
    routes.add_url_rule(openapi.PATH, "openapi", _document)
    return routes


def http_problem(error: HTTPException) -> Response:
    """Answer what Flask itself refuses, such as an unknown path, as RFC 9457 says."""
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return _told(Problem(error.code or 500, error.description or error.name, headers=headers))


def _view(operation: Operation, config: Config, connection: "redis.Redis") -> Callable[..., Any]:
    def view(**path: str) -> Response:
        query: Any = _query(operation.query)
        asker = person()
        call = Call(
            store=Store(connection, query.deployment or config.settings.deployment),
            config=config,
            query=query,
            path=path,
            body=_body(operation) if operation.body else None,
            actor=asker.name if asker else "",
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
            raise Problem(400, "The body is no JSON.") from error
        raise _refusal(422, objections(model, error)) from error


def _refusal(status: int, wrong: list[str]) -> Problem:
    shown = wrong[:_MOST_OBJECTIONS]
    return Problem(status, " ".join(shown), errors=shown)


def _answer(operation: Operation, found: Answer) -> Response:
    value = found.plain()
    answer = Response(_text(value), operation.status, mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    if operation.status == HTTPStatus.CREATED:
        answer.headers["Location"] = f"{request.path}/{value['id']}"
    if operation.method == "GET" and not operation.private:
        # To be kept by the browser alone, and asked for again each time: 304 is cheap.
        answer.headers["Cache-Control"] = "private, no-cache"
        lasting = {name: part for name, part in value.items() if name not in _MOVING}
        answer.set_etag(hashlib.blake2s(_text(lasting).encode(), digest_size=12).hexdigest(), weak=True)
        answer.make_conditional(request)
    return answer


def _document() -> Response:
    _query(NoQuery)
    answer = Response(_text(openapi.document()), mimetype="application/json")
    answer.headers["Cache-Control"] = "private, max-age=300"
    return answer


def _told(problem: Problem) -> Response:
    """Answer an error as RFC 9457 says."""
    value: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        value["errors"] = list(problem.errors)
    answer = Response(_text(value), problem.status, dict(problem.headers), content_type="application/problem+json")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
