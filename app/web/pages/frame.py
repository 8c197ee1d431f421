"""Shared by all pages: the chosen deployment, links that keep it, and the formats of times."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

import redis
from flask import Blueprint, abort, request
from markupsafe import Markup, escape

from app.config.load import Config
from app.config.types import DEPLOYMENT_NAME
from app.core.text.lines import day_text, short_day
from app.store.receive.inbox import deployments
from app.store.store import Store
from app.web.about import About
from app.web.access.scope import asked, of_all, only
from app.web.docs.routes import address
from app.web.paths import rooted

_PAGES: Final = (
    ("/", "Usage"),
    ("/records", "Records"),
    ("/alerts", "Alerts"),
    ("/periods", "Periods"),
    ("/queues", "Queues"),
)
#: Paths that belong to the first page.
_OF_USAGE: Final = ("/", "/users", "/templates", "/organizations")
_UNITS: Final = ((86_400 * 2, 86_400, "days"), (5400, 3600, "h"), (90, 60, "min"), (0, 1, "s"))
#: In seconds, because rendering a page has a cost.
_SHORTEST_REFRESH: Final = 10
_DOCUMENT: Final = re.compile(r"\bdocs/([a-z/-]+)\.md(#[a-z-]+)?")
_YEARS: Final = range(2000, 2200)


@dataclass(frozen=True, slots=True)
class Frame:
    """The content of the frame around a page."""

    deployment: str
    deployments: Sequence[str]
    default: str
    pages: Sequence[tuple[str, str]] = _PAGES

    def here(self, path: str) -> bool:
        """Return whether the current page belongs to this entry of the navigation."""
        if path == "/":
            return request.path in _OF_USAGE or request.path.startswith("/days/")
        return request.path.startswith(path) or (
            path == "/records" and request.path.startswith(("/deliveries", "/relays"))
        )


def install(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    """Add `about`, `frame`, `to`, `here`, `refresh` and the filters for moments and days to all templates."""
    about = About.of(config.settings)

    @routes.app_context_processor
    def shared() -> dict[str, Any]:
        return {
            "about": about,
            "zone": config.settings.time_zone,
            "frame": _frame(connection, config),
            "to": to,
            "here": here,
            "refresh": refresh(),
        }

    for name, text in (
        ("iso", iso),
        ("minute", partial(minute, zone=config.zone)),
        ("day", day_text),
        ("short_day", short_day),
        ("prose", prose),
        ("sentence", sentence),
        ("duration", duration),
    ):
        routes.add_app_template_filter(text, name)


def chosen(config: Config, connection: "redis.Redis") -> Store:
    """Return the store of the deployment in the URL; 404 for one that has never posted."""
    configured = config.settings.configured_deployments
    name = asked(config.settings.deployment)
    if name not in configured and (not DEPLOYMENT_NAME.fullmatch(name) or name not in deployments(connection)):
        abort(404, "No deployment with this name has ever posted.")
    return Store(connection, name)


def to(path: str, **args: Any) -> str:
    """Return a link to one of our paths that keeps the deployment; None and empty arguments are left out."""
    kept = {"deployment": request.args["deployment"]} if "deployment" in request.args else {}
    return _with(rooted(path), {**kept, **args})


def here(**changes: Any) -> str:
    """Return a link to this page with some arguments changed and all others kept."""
    return _with(rooted(quote(request.path, safe="/:@")), {**request.args.to_dict(), **changes})


def refresh() -> int | None:
    """Return the interval in seconds at which the page reloads, from `?refresh=`; None if it does not."""
    text = request.args.get("refresh", "")
    seconds = int(text) if re.fullmatch("[0-9]{1,4}", text) else 0
    return seconds if seconds >= _SHORTEST_REFRESH else None


def prose(text: str) -> Markup:
    """Render one of our own sentences as HTML, with code for text between backticks and links for documents."""
    coded = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(_DOCUMENT.sub(_linked, coded))  # noqa: S704 - escaped before  # nosec B704


def _linked(found: re.Match[str]) -> str:
    name, fragment = found.groups(default="")
    return f'<a href="{address(name + fragment)}">{found[0]}</a>'


def sentence(text: str) -> str:
    """Capitalize and end with a full stop, except that names such as awb-deliveries keep their case."""
    first = text if re.match(r"[\w.@-]*[-.@:]", text) else text[:1].upper() + text[1:]
    # Markup stays as it is.
    return first if first.endswith((".", "…", "!", "?")) else first + "."


def record_path(key: str) -> str:
    return "/records/" + quote(key, safe=":")


def delivery_path(message_id: str) -> str:
    return "/deliveries/" + quote(message_id, safe="")


def day_of(text: str) -> date | None:
    """Parse a day; None if it is invalid."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year in _YEARS else None


def iso(moment: datetime | date) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def minute(moment: datetime, zone: tzinfo = UTC) -> str:
    at = moment.astimezone(zone)
    return f"{short_day(at)}, {at:%H:%M}"


def duration(seconds: float) -> str:
    """Format a duration in its largest unit, rounded down."""
    least, size, unit = next(row for row in _UNITS if seconds >= row[0] or not row[0])
    del least
    return f"{int(max(seconds, 0) // size):,} {unit}"


def _frame(connection: "redis.Redis", config: Config) -> Frame:
    default, own = config.settings.deployment, only()
    if own:
        pages = tuple(page for page in _PAGES if not of_all(page[0]))
        return Frame(own, [own], default, pages)
    try:
        known = deployments(connection)
    except (redis.exceptions.RedisError, OSError):
        known = []
    name = asked(default)
    names = sorted({*known, *config.settings.configured_deployments})
    pages = (*_PAGES, ("/deployments", "Deployments")) if len(names) > 1 else _PAGES
    return Frame(name if name in names else default, names, default, pages)


def _with(path: str, args: Mapping[str, Any]) -> str:
    given = {name: str(value) for name, value in args.items() if value is not None and value != ""}
    return f"{path}?{urlencode(given)}" if given else path
