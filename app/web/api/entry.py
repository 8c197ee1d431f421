"""The entry points of the API: /api and /api/v1 with links to every operation, and the page /api/docs."""

import json
import re
from typing import Final

import redis
from flask import Blueprint, Response, make_response, redirect, render_template, request
from markupsafe import Markup, escape

from app import clock
from app.answers.shape import Answer
from app.config.load import Config
from app.core.count.meter import AWB
from app.notifiers.receivers import receivers
from app.store.store import Store
from app.web.api import described, openapi
from app.web.api.described import Here
from app.web.api.table import OPERATIONS
from app.web.errors import API_DOCS, API_ENTRIES, for_people
from app.web.pages.frame import chosen
from app.web.paths import rooted

_TICKS: Final = re.compile("`([^`]+)`")


class Link(Answer):
    """An operation with its URL, which is a template if the path has variable parts in braces."""

    name: str
    method: str
    href: str
    summary: str


class Entry(Answer):
    """The operations of the API."""

    title: str
    version: str
    docs: str
    openapi: str
    operations: list[Link]

    @classmethod
    def of_table(cls) -> "Entry":
        links = [
            Link(
                name=one.name,
                method=one.method,
                href=rooted(openapi.BASE + one.path),
                summary=one.description.partition(".")[0],
            )
            for one in OPERATIONS
        ]
        return cls(
            title=openapi.TITLE,
            version=openapi.VERSION,
            docs=rooted(API_DOCS),
            openapi=rooted(openapi.BASE + openapi.PATH),
            operations=links,
        )


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the routes."""
    routes = Blueprint("apientry", __name__)

    def entry() -> Response:
        if for_people():
            answer = make_response(redirect(rooted(API_DOCS), 303))
        else:
            answer = Response(json.dumps(Entry.of_table().plain(), ensure_ascii=False), mimetype="application/json")
            answer.headers["Cache-Control"] = "private, no-cache"
        answer.vary.add("Accept")
        return answer

    @routes.app_template_filter("ticks")
    def ticks(text: str) -> Markup:
        """Format text between backticks as code."""
        return Markup(_TICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just now  # nosec B704

    for path in API_ENTRIES:
        routes.add_url_rule(path, path.replace("/", "-"), entry)

    @routes.get(API_DOCS)
    def docs() -> Response:
        store = chosen(config, connection)
        document = openapi.document()
        page = render_template(
            "apidocs.html",
            groups=described.groups(document, _here(store, config.of(store.deployment))),
            models=described.models(document),
            info=document["info"]["description"],
        )
        return make_response(page)

    return routes


def _here(store: Store, config: Config) -> Here:
    base = (config.settings.public_url or request.host_url).rstrip("/")
    query = "" if store.deployment == config.default_deployment else f"?deployment={store.deployment}"
    return Here(base, query, clock.now(), _known(store, config))


def _known(store: Store, config: Config) -> dict[str, dict[str, str]]:
    """Return names that exist in this deployment, so that the curl lines find something."""
    found: dict[str, dict[str, str]] = {"": {"deployment": store.deployment, "name": AWB}}
    records, _ = store.records(AWB).page(None, 1)
    if records:
        found["/records/{key}"] = {"key": records[0].key}
    deliveries = next(iter(store.kept.newest(0, 1)), [])
    if deliveries:
        found["/deliveries/{message_id}"] = {"message_id": deliveries[0].message_id}
    silences = store.silences.all()
    if silences:
        found["/silences/{id}"] = {"id": silences[-1].id}
    listed = receivers(config.settings)
    if listed:
        found["/notifications/test"] = {"receiver": listed[0]}
    return found
