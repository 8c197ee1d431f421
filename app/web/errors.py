"""Error responses: pages for people, RFC 9457 for the API, and short JSON for other programs.

The receiver has its own refusals (app/web/webhook.py), because Coder acts on their status.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import redis
from flask import Flask, Response, g, jsonify, make_response, render_template, request
from pydantic import Field
from werkzeug.exceptions import HTTPException

from app.answers.shape import Answer
from app.store.server.connection import unavailable

#: The page about the API, and the paths that redirect a browser to it.
API_DOCS: Final = "/api/docs"
API_ENTRIES: Final = ("/api", "/api/v1")
_PROBLEMS: Final = ("/api", "/metrics")
_PROGRAMS: Final = ("/v1", "/v2", "/healthz", "/readyz", "/static")
#: Headers of an answer that is only refused for the moment.
RETRY_AFTER: Final = {"Retry-After": "10"}
_AWAY: Final = (
    "Deliveries are now answered with 503, and Coder sends them again. This page works again as soon as Redis does."
)


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An answer other than success.

    Attributes:
        title: a short title; by default the name of the status.
        errors: every single error of a request.
        headers: additional headers, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str = "",
        errors: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.title = title or HTTPStatus(status).phrase
        self.errors = errors
        self.headers = headers or {}


class ProblemDetails(Answer):
    """RFC 9457, https://www.rfc-editor.org/rfc/rfc9457."""

    type: str
    title: str = Field(description="The name of the status.")
    status: int
    detail: str
    errors: list[str] = Field([], description="Every single error of the request.")


def install(app: Flask) -> None:
    """Install handlers for all errors that the application raises."""
    app.register_error_handler(Problem, answer)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(redis.exceptions.RedisError, _store_away)
    app.register_error_handler(OSError, _store_away)


def answer(problem: Problem, *, framed: bool | None = None) -> Response:
    """Return the response in the format for the requested path.

    Args:
        problem: the error.
        framed: whether a page has the usual frame, which names deployments; by default only for authenticated people.
    """
    if for_people():
        known = g.get("person") is not None if framed is None else framed
        response = make_response(
            render_template("sorry.html", heading=problem.title, detail=problem.detail, framed=known)
        )
    elif request.path.startswith(_PROBLEMS):
        response = _problem_details(problem)
    else:
        word = "unavailable" if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else "error"
        response = jsonify(status=word, reason=problem.title, detail=problem.detail)
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


def _problem_details(problem: Problem) -> Response:
    details = ProblemDetails(
        type="about:blank",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        errors=list(problem.errors),
    )
    response = jsonify(details.model_dump(mode="json", exclude_defaults=True))
    response.content_type = "application/problem+json"
    response.headers["Cache-Control"] = "no-store"
    return response


def _http_error(error: HTTPException) -> Response:
    """Answer with the error's own text and headers, such as Allow."""
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return answer(Problem(code, error.description or error.name, title=error.name, headers=headers))


def _store_away(error: Exception) -> Response:
    why = unavailable(error)
    if why is None:
        raise error
    detail = _AWAY if for_people() else f"Redis is {why}."
    return answer(Problem(503, detail, title=f"Redis is {why}", headers=RETRY_AFTER))


def for_people() -> bool:
    """Return whether to answer with a page: by the path and, for the API's entry points, by the Accept header."""
    if request.path in API_ENTRIES:
        return request.accept_mimetypes["text/html"] > request.accept_mimetypes["application/json"]
    return request.path == API_DOCS or not request.path.startswith((*_PROBLEMS, *_PROGRAMS))
