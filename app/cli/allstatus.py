"""`awb status --all`: one line per deployment, worst first."""

from typing import Final

from rich.markup import escape

from app.answers.deployments import Deployment, Deployments
from app.cli.base import print_json
from app.cli.show import STYLES, local, print_table
from app.config.load import Config
from app.store.store import Store

_RIGHT: Final = ("used", "limit", "alerts")
_WORDS: Final = {"error": "critical"}


def show_all(store: Store, config: Config, *, as_json: bool) -> None:
    found = Deployments.of(store.redis, config)
    if as_json:
        print_json(found)
        return
    titles = ("deployment", "usage", "used", "limit", "forecast", "alerts", "health", "last delivery")
    print_table(titles, [_row(one, config) for one in found.deployments], right=_RIGHT)


def _row(one: Deployment, config: Config) -> tuple[str, ...]:
    share = "" if one.percent is None else f" ({one.percent:g}%)"
    return (
        escape(one.name),
        _coloured(one.severity, one.state),
        f"{one.used:,}{share}",
        "unlimited" if one.limit is None else f"{one.limit:,}",
        escape(one.forecast) or "–",
        str(one.firing),
        _coloured(_WORDS.get(one.health, one.health), one.trouble or "ok"),
        local(one.last_delivery_at, config.zone) if one.last_delivery_at else "never",
    )


def _coloured(state: str, words: str) -> str:
    return f"[{STYLES[state]}]{escape(words)}[/]"
