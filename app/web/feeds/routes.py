"""The routes of the badge and the calendar, for people who are logged in and for programs with the feed token."""

from datetime import UTC

import redis
from flask import Blueprint, Response, make_response, render_template

from app.config.load import Config
from app.core.count.meter import AWB, Usage
from app.core.wording.usagestatus import usage_status
from app.pipeline.outlook import is_projected, outlook
from app.pipeline.usage import current_usage
from app.web.access.feedtoken import BADGE, CALENDAR
from app.web.feeds.badge import badge_of
from app.web.pages.frame import chosen

_MIME_SVG = "image/svg+xml"
#: Cache lifetime in seconds: GitHub and Confluence cache images at least this long anyway.
_MAX_AGE = 300


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the routes. They need the guard, which checks the feed token. All take `?deployment=`."""
    routes = Blueprint("feeds", __name__)

    @routes.get(BADGE)
    def badge() -> Response:
        store = chosen(config, connection)
        own = config.of(store.deployment)
        usage = current_usage(store, own, AWB, top=False)
        status = usage_status(usage, own.thresholds, projected=is_projected(store, own, usage))
        text = render_template("badge.svg", badge=badge_of(usage, status.severity), words=status.words)
        return _feed(text, f"{_MIME_SVG}; charset=utf-8")

    @routes.get(CALENDAR)
    def calendar() -> Response:
        # Imported only here: it loads 80 modules and 7 MB that most installations never need.
        from app.web.feeds.calendar import calendar_of  # noqa: PLC0415

        store = chosen(config, connection)
        own = config.of(store.deployment)
        usage: Usage = current_usage(store, own, AWB, top=False)
        seen = outlook(store, usage)
        text = calendar_of(usage, seen.forecast, config.settings.public_url, usage.as_of.astimezone(UTC))
        return _feed(text, "text/calendar; charset=utf-8")

    return routes


def _feed(body: str | bytes, content_type: str) -> Response:
    answer = make_response(body)
    answer.content_type = content_type
    answer.headers["Cache-Control"] = f"private, max-age={_MAX_AGE}"
    # An SVG that is opened directly is a document, in which nothing must load or run.
    answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return answer
