"""Responses of pages: as HTML, or one of their tables as a file."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, abort, make_response, render_template, request

from app.web.pages.tables import FORMATS, Table, download

Tables = Mapping[str, Callable[[], Table]]


def respond(template: str, files: Tables, **context: Any) -> Response:
    """Answer with a page, or with one of its tables as a file if the URL has `format=` (and `table=`)."""
    kind = request.args.get("format")
    if kind is None:
        return make_response(render_template(template, **context))
    name = request.args.get("table") or next(iter(files), "")
    if kind not in FORMATS or name not in files:
        abort(404, f"Tables here are {', '.join(files) or 'none'}; formats are {' and '.join(FORMATS)}.")
    return download(files[name](), kind)
