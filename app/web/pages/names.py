"""Pages of users, templates and organizations: a list of all in a usage period, and one page for each."""

from collections.abc import Callable
from datetime import UTC, date, timedelta
from typing import Final

import redis
from flask import Blueprint, Response, request

from app.config.load import Config
from app.core.count.meter import AWB, Usage
from app.core.limit.period import Period
from app.core.limit.trend import WEEK, Trend, trend
from app.pipeline.usage import current_usage
from app.store.store import Store
from app.web.pages.base import respond
from app.web.pages.data import asked_usage
from app.web.pages.frame import chosen, to
from app.web.pages.records import Filters, every_record, page_of_records, records_table
from app.web.pages.tables import Column, Row, Table
from app.web.pages.tops import DIMENSIONS, Top, top
from app.web.pages.window import RANGES, day_window, days_table

_BUILDS_SHOWN: Final = 20


def add_routes(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    """Add `/users`, `/templates` and `/organizations`; `?name=` shows one of them, `?period=` a past period."""
    for dimension in DIMENSIONS:
        routes.add_url_rule(f"/{dimension}s", f"{dimension}s", _view(dimension, config, connection))


def _view(dimension: str, config: Config, connection: "redis.Redis") -> Callable[[], Response]:
    def names() -> Response:
        store = chosen(config, connection)
        own = config.of(store.deployment)
        present = current_usage(store, own, AWB, top=False)
        usage = asked_usage(store, own, present)
        name = request.args.get("name", "")
        if name:
            return _one(store, usage, dimension, name)
        return _all(store, usage, dimension, present=usage.period == present.period)

    return names


def _all(store: Store, usage: Usage, dimension: str, *, present: bool) -> Response:
    today = _today(usage)
    ranked = top(store, usage, dimension, usage.period, today)
    table = _with_weeks(store, usage, ranked, today) if present else ranked.table()
    return respond("names.html", {f"{dimension}s": lambda: table}, ranked=ranked, table=table, usage=usage)


def _with_weeks(store: Store, usage: Usage, ranked: Top, today: date) -> Table:
    """Add the last seven whole days and the seven before to each row."""
    snapshot, table = store.snapshot(usage.meter), ranked.table()
    weeks = [
        dict(
            snapshot.names(
                ranked.dimension, Period(today - timedelta(days=ago + WEEK), today - timedelta(days=ago)), today
            )
        )
        for ago in (0, WEEK)
    ]
    columns = (
        *table.columns,
        Column("last_7_days", "Last 7 days", "count"),
        Column("previous_7_days", "Previous 7 days", "count"),
    )
    rows = []
    for row in table.rows:
        last, before = (week.get(row.values["name"], 0) for week in weeks)
        rows.append(Row({**row.values, "last_7_days": last, "previous_7_days": before}, row.links))
    return Table(table.name, columns, rows)


def _one(store: Store, usage: Usage, dimension: str, name: str) -> Response:
    today, period = _today(usage), usage.period
    last = min(today, period.last or today)
    snapshot, rows = store.snapshot(usage.meter), store.records(usage.meter)
    name = rows.now_called(dimension, name)
    listed = [period.start + timedelta(days=number) for number in range((last - period.start).days + 1)]
    days = [
        (day, units) for day, (units,) in zip(listed, snapshot.daily(dimension, [name], listed), strict=True) if units
    ]
    used = sum(units for _, units in days)
    window = day_window(days, (period.start, last), today, used)
    filters = Filters(**{dimension: name}, first=period.start, last=last)
    found, following = filters.page(rows, None, _BUILDS_SHOWN)
    return respond(
        "name.html",
        {"days": lambda: days_table(days, used), "records": lambda: records_table(every_record(rows, filters))},
        dimension=dimension,
        title=DIMENSIONS[dimension],
        name=name,
        used=used,
        percent=round(used / usage.counted * 100, 1) if usage.counted else None,
        usage=usage,
        last=last,
        window=window,
        ranges=RANGES,
        trend=_trend(store, usage, dimension, name, today) if period.contains(today) else None,
        builds=page_of_records(found),
        following=following,
        every=to("/records", **{dimension: name}, **{"from": period.start.isoformat(), "to": last.isoformat()}),
    )


def _trend(store: Store, usage: Usage, dimension: str, name: str, today: date) -> Trend:
    days = [today - timedelta(days=number) for number in range(2 * WEEK, 0, -1)]
    units = store.snapshot(usage.meter).daily(dimension, [name], days)
    return trend([(day, of_name) for day, (of_name,) in zip(days, units, strict=True)], today)


def _today(usage: Usage) -> date:
    return usage.as_of.astimezone(UTC).date()
