"""The pages behind a number: records by filter and by day, one record, and the deliveries that are its evidence."""

from collections.abc import Iterable
from datetime import UTC, timedelta
from typing import Final

import redis
from flask import Blueprint, Response, abort, request

from app import clock
from app.answers.deliveries import Deliveries, Delivery
from app.answers.records import workspace_url
from app.config.load import Config
from app.core.count.meter import AWB
from app.core.limit.period import Period
from app.pipeline.usage import current_usage
from app.store.count.search import find
from app.web.pages.base import respond
from app.web.pages.frame import chosen, day_of, delivery_path, record_path, to
from app.web.pages.records import (
    PAGE,
    Filters,
    every_record,
    page_of_records,
    position,
    records_table,
    suggestions,
    title,
)
from app.web.pages.tables import Column, Row, Table

_TOP: Final = 10
_LONGEST: Final = 300
#: The number of other records of the same workspace that a page lists.
_OTHERS: Final = 25
_COLUMNS: Final = (
    Column("template", "Notification"),
    Column("received_at", "Received", "time"),
    Column("workspace", "Workspace"),
    Column("owner", "User"),
    Column("verdict", "Verdict"),
    Column("rule", "Rule"),
    Column("reason", "Reason"),
    Column("message_id", "Message id", hidden=True),
    Column("workspace_id", "Workspace id", hidden=True),
)


def add_routes(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    """Add the routes of records, days and deliveries."""
    _add_lists(routes, config, connection)
    _add_day(routes, config, connection)
    _add_record(routes, config, connection)
    _add_deliveries(routes, config, connection)


def _add_lists(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/records")
    def records() -> Response:
        store, filters = chosen(config, connection), Filters.of_request()
        rows = store.records(AWB)
        what = request.args.get("what", "").strip()[:_LONGEST]
        if what:
            found, following = find(rows, what)[::-1], None
        else:
            found, following = filters.page(rows, request.args.get("cursor"), PAGE)
        every = found if what else every_record(rows, filters)
        if "format" in request.args:
            return respond("records.html", {"records": lambda: records_table(every)})
        usage = current_usage(store, config.of(store.deployment), AWB, top=False)
        today = usage.as_of.astimezone(UTC).date()
        return respond(
            "records.html",
            {"records": lambda: records_table(every)},
            table=page_of_records(found),
            filters=filters,
            position=position(len(found), following, None if what else filters.count(store, today)),
            suggested=suggestions(store, usage, today),
            what=what,
            following=following,
        )


def _add_day(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/days/<text>")
    def day(text: str) -> Response:
        store, asked = chosen(config, connection), day_of(text)
        if asked is None:
            abort(404, f"“{text[:40]}” is not a day; write it as 2026-01-31.")
        filters, rows = Filters(first=asked, last=asked), store.records(AWB)
        found, following = filters.page(rows, request.args.get("cursor"), PAGE)
        present = current_usage(store, config.of(store.deployment), AWB, top=False)
        today, span = present.as_of.astimezone(UTC).date(), Period(asked, asked + timedelta(days=1))
        snapshot = store.snapshot(AWB)
        return respond(
            "day.html",
            {"records": lambda: records_table(every_record(rows, filters))},
            table=page_of_records(found),
            day=asked,
            today=today,
            before=asked - timedelta(days=1),
            after=asked + timedelta(days=1) if asked < today else None,
            usage=snapshot.usage(span, present.limit, present.as_of),
            users=snapshot.names("user", span, asked, _TOP),
            following=following,
        )


def _add_record(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    # A key may contain the name of a workspace, and so slashes.
    @routes.get("/records/<path:key>")
    def record(key: str) -> Response:
        store = chosen(config, connection)
        rows, inbox = store.records(AWB), store.inbox
        found = rows.record(key)
        if found is None:
            abort(404, "This record does not exist: it was never counted, or was withdrawn.")
        kept = ((message_id, inbox.delivery(message_id)) for message_id in found.deliveries)
        table = deliveries_table([Delivery.of(stored) if stored else message_id for message_id, stored in kept])
        others = [one for one in rows.of_workspace(found.workspace_id)[::-1] if one.key != key]
        return respond(
            "record.html",
            {"deliveries": lambda: table, "records": lambda: records_table(others)},
            record=found,
            title=title(found),
            at=clock.at(found.at),
            table=table,
            others=page_of_records(others[:_OTHERS]),
            others_in_all=len(others),
            workspace_link=workspace_url(found, store.deployment, config.of(store.deployment)),
        )


def _add_deliveries(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/deliveries")
    def deliveries() -> Response:
        store, cursor = chosen(config, connection), request.args.get("cursor")
        try:
            found = Deliveries.of(store, PAGE, cursor)
        except ValueError:
            abort(404, "This page of the list does not exist. Start again at the first page.")
        table = deliveries_table(found.deliveries)
        return respond("deliveries.html", {"deliveries": lambda: table}, table=table, following=found.next)

    @routes.get("/deliveries/<message_id>")
    def delivery(message_id: str) -> Response:
        store = chosen(config, connection)
        found = store.inbox.delivery(message_id)
        if found is None:
            abort(404, "This delivery is unknown: it has not been received or classified yet, or has expired.")
        rows = store.records(AWB)
        counted = [one for one in rows.of_workspace(found["workspace_id"]) if message_id in one.deliveries]
        links = [(title(one), to(record_path(one.key))) for one in counted]
        shown = Delivery.of(found, store.relayviews.of([message_id])[message_id])
        return respond("delivery.html", {}, delivery=shown, links=links)


def deliveries_table(found: Iterable[Delivery | str]) -> Table:
    """Return a table of deliveries; a message id stands for a delivery that has expired."""
    return Table("deliveries", _COLUMNS, [_forgotten(one) if isinstance(one, str) else _delivery(one) for one in found])


def _forgotten(message_id: str) -> Row:
    unknown = dict.fromkeys(column.name for column in _COLUMNS)
    return Row({**unknown, "template": f"{message_id}, expired", "message_id": message_id})


def _delivery(found: Delivery) -> Row:
    verdict = found.verdict
    words = ": ".join(word.replace("_", " ") for word in (verdict.outcome, verdict.evidence) if word)
    values = {**dict(found), "verdict": words, "rule": verdict.rule, "reason": verdict.reason}
    return Row(values, {"template": to(delivery_path(found.message_id))})
