"""How pages answer: as HTML, one of their tables as a file, and their errors as pages, too."""

from collections.abc import Callable, Mapping
from typing import Any

import redis
from flask import Blueprint, Response, abort, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from app.store.server.connection import unavailable
from app.web.pages.tables import FORMATS, Table, download

Tables = Mapping[str, Callable[[], Table]]


def respond(template: str, files: Tables, **context: Any) -> Response:
    """Answer with a page, or with one of its tables as a file where the address says `format=` (and `table=`)."""
    kind = request.args.get("format")
    if kind is None:
        return make_response(render_template(template, **context))
    name = request.args.get("table") or next(iter(files), "")
    if kind not in FORMATS or name not in files:
        abort(404, f"Tables here are {', '.join(files) or 'none'}; formats are {' and '.join(FORMATS)}.")
    return download(files[name](), kind)


def add_errors(routes: Blueprint) -> None:
    """Answer errors of these routes as pages."""

    @routes.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        page = render_template("sorry.html", heading=error.name, detail=error.description)
        return make_response(page, error.code or 500)

    @routes.errorhandler(redis.exceptions.RedisError)
    @routes.errorhandler(OSError)
    def store_away(error: Exception) -> Response:
        why = unavailable(error)
        if why is None:
            raise error
        detail = "Coder is told to send its deliveries again. This page works again as soon as Redis does."
        answer = make_response(render_template("sorry.html", heading=f"Redis is {why}", detail=detail), 503)
        answer.headers["Retry-After"] = "10"
        return answer
