"""/docs: the documentation of this version, for people who may see the pages."""

from flask import Blueprint, Response, abort, make_response, render_template, send_file

from app.core.finding import Finding
from app.web.docs.library import INDEX, document, picture, remedy
from app.web.paths import rooted

DOCS = "/docs"


def address(path: str) -> str:
    """Return the link to a document or picture, given its path below docs/."""
    return rooted(f"{DOCS}/{path}")


def blueprint() -> Blueprint:
    """Build the blueprint."""
    routes = Blueprint("docs", __name__)

    @routes.app_template_filter("remedy")
    def link_to_remedy(finding: Finding) -> str:
        """Return the link to the runbook's section on a finding; empty if there is none."""
        found = remedy(finding.check)
        return address(found) if found else ""

    @routes.get(DOCS, defaults={"name": INDEX})
    @routes.get(f"{DOCS}/<path:name>")
    def docs(name: str) -> Response:
        file = picture(name)
        if file:
            return send_file(file, max_age=3600)
        found = document(name.removesuffix(".md"), address)
        if found is None:
            abort(404, "This version has no document with this name.")
        return make_response(render_template("docs.html", document=found, index=name == INDEX))

    return routes
