"""The page of all deployments."""

import redis
from flask import Blueprint, Response

from app.answers.deployments import Deployment, Deployments
from app.answers.health import verdict
from app.config.load import Config
from app.store.store import Store
from app.web.access.scope import only
from app.web.pages.base import respond
from app.web.pages.frame import to
from app.web.pages.tables import Column, Row, Table

_COLUMNS = (
    Column("name", "Deployment"),
    Column("state", "State"),
    Column("used", "Used", "count"),
    Column("limit", "Limit", "count"),
    Column("percent", "Per cent", "count"),
    Column("forecast", "Forecast"),
    Column("breach", "Limit reached on", hidden=True),
    Column("firing", "Active alerts", "count"),
    Column("health", "Health"),
    Column("trouble", "Trouble", hidden=True),
    Column("last_delivery_at", "Last delivery", "time"),
)


def add_routes(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    """Add the page; each deployment links to its own pages."""

    @routes.get("/deployments")
    def deployments() -> Response:
        found = Deployments.of(connection, config, only()).deployments
        table = Table("deployments", _COLUMNS, [_row(one) for one in found])
        health = verdict(Store(connection, config.settings.deployment).glance(), config)
        return respond("deployments.html", {"deployments": lambda: table}, found=found, health=health, page_of=page_of)


def _row(one: Deployment) -> Row:
    return Row({column.name: getattr(one, column.name) for column in _COLUMNS}, {"name": page_of(one.name)})


def page_of(deployment: str, path: str = "/") -> str:
    """Return a link to a page of a deployment."""
    return to(path, deployment=deployment, refresh=None)
