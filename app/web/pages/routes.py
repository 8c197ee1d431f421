"""The pages about usage: of one period, and a list of all periods. They work without JavaScript."""

from collections.abc import Callable
from typing import Any, Final

import redis
from flask import Blueprint, Response, make_response, render_template, request

from app.answers.alerts import Silences
from app.answers.coder import Coder
from app.answers.health import verdict
from app.answers.messages import Notifications
from app.answers.setup import setup_steps
from app.answers.usage import Periods
from app.config.load import Config
from app.web.pages import alerts as pagealerts
from app.web.pages import deployments as pagedeployments
from app.web.pages import evidence as pageevidence
from app.web.pages import frame as pageframe
from app.web.pages import names as pagenames
from app.web.pages import relays as pagerelays
from app.web.pages import setup as pagesetup
from app.web.pages.alertdata import firing, messages_table, silences_table
from app.web.pages.base import respond
from app.web.pages.charts import drift_line
from app.web.pages.data import details, overview
from app.web.pages.frame import chosen, to
from app.web.pages.health import never_received, parts
from app.web.pages.setup import CONFIRMATIONS
from app.web.pages.tables import Column, Row, Table
from app.web.pages.tops import SPANS
from app.web.pages.window import RANGES, SPLITS, days_table

_ALERTS_SHOWN: Final = 6
_MESSAGES_SHOWN: Final = 6
_DRIFT_SHOWN: Final = 10
_DRIFT_COLUMNS: Final = (
    Column("at", "When", "time"),
    Column("counted", "Counted here", "count"),
    Column("actual", "Coder’s number", "count"),
    Column("drift", "Drift", "count"),
)
_PERIOD_COLUMNS: Final = (
    Column("start", "First day"),
    Column("end", "Ended before"),
    Column("used", "Used", "count"),
    Column("limit", "Limit", "count"),
    Column("percent", "Per cent", "count"),
    Column("provisional", "Provisional", "count"),
)


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the routes; they need the guard (access/guard.py), which checks access.

    All of them take `?deployment=`, by default the configured one, and `?format=csv` or `json` for their tables.
    """
    routes = Blueprint("pages", __name__)
    pageframe.install(routes, config, connection)
    _add_usage(routes, config, connection)
    _add_wall(routes, config, connection)
    _add_periods(routes, config, connection)
    pagedeployments.add_routes(routes, config, connection)
    pagenames.add_routes(routes, config, connection)
    pageevidence.add_routes(routes, config, connection)
    pagealerts.add_routes(routes, config, connection)
    pagerelays.add_routes(routes, config, connection)
    pagesetup.add_routes(routes, config, connection)
    return routes


def _add_usage(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/")
    def usage() -> Response:
        store = chosen(config, connection).glance()
        own = config.of(store.deployment)
        setup, confirmation = setup_steps(store, own), CONFIRMATIONS.get(request.args.get("done", ""))
        health = verdict(store, own)
        if never_received(store):
            endpoint = _endpoint(own, store.deployment)
            page = render_template(
                "welcome.html", endpoint=endpoint, health=health, setup=setup, confirmation=confirmation
            )
            return make_response(page)
        seen = overview(store, own)
        more = details(store, seen)
        history = store.coder.drift()
        held = [silence for silence in Silences.of(store).silences if silence.active]
        messages = messages_table(Notifications.of(store, _MESSAGES_SHOWN).notifications)
        alerts = firing(store) if seen.present else []
        tables: dict[str, Callable[[], Table]] = {
            "days": lambda: days_table(seen.days, seen.usage.used),
            **{f"{top.dimension}s": top.table for top in more.tops.listed},
            "drift": lambda: _drift_table(history),
            "messages": lambda: messages,
            "silences": lambda: silences_table(held),
        }
        return respond(
            "usage.html",
            tables,
            seen=seen,
            more=more,
            spans=SPANS,
            coder=Coder.of(store, own),
            ranges=RANGES,
            splits=SPLITS,
            drift=drift_line(history),
            drift_table=_drift_table(history[-_DRIFT_SHOWN:][::-1]),
            alerts=alerts[:_ALERTS_SHOWN],
            alerts_in_all=len(alerts),
            held=held,
            messages=messages,
            health=health,
            setup=setup if seen.present else (),
            confirmation=confirmation,
            parts_of_health=parts(store, own, health),
        )


def _add_wall(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/wall")
    def wall() -> Response:
        store = chosen(config, connection).glance()
        own = config.of(store.deployment)
        return make_response(render_template("wall.html", seen=overview(store, own), health=verdict(store, own)))


def _add_periods(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/periods")
    def periods() -> Response:
        store = chosen(config, connection)
        found = Periods.of(store, config.of(store.deployment))
        table = _periods_table(found)
        return respond("periods.html", {"periods": lambda: table}, table=table, notes=found.notes)


def _endpoint(config: Config, deployment: str) -> str:
    """Return the webhook endpoint to set in Coder, without its secret."""
    base = config.settings.public_url or request.host_url
    scheme, _, rest = base.rstrip("/").partition("://")
    path = "" if deployment == config.default_deployment else f"/{deployment}"
    return f"{scheme}://coder:<secret>@{rest}/v1/webhook{path}"


def _drift_table(history: Any) -> Table:
    rows = [Row({"at": p.at, "counted": p.counted, "actual": p.actual, "drift": p.drift}) for p in history]
    return Table("drift", _DRIFT_COLUMNS, rows)


def _periods_table(found: Periods) -> Table:
    rows = []
    for period in found.periods:
        values = {**dict(period), "start": period.start.date().isoformat(), "end": ""}
        if period.end:
            values["end"] = period.end.date().isoformat()
        rows.append(Row(values, {"start": to("/", period=None if period.present else values["start"])}))
    return Table("periods", _PERIOD_COLUMNS, rows)
