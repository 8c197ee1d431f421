"""Current alerts: state, last announcement and acknowledgement of many, in three round trips."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core.alert.alert import Alert
from app.core.alert.decision import AlertState
from app.store import keys
from app.store.alert.silences import Acknowledgement
from app.store.server.commands import commands
from app.store.store import Store


@dataclass(frozen=True, slots=True)
class AlertView:
    """The current state of one alert.

    Attributes:
        announcement: its last announcement; None if there was none.
        acknowledged_by: who acknowledged what is firing now; empty for nobody.
    """

    name: str
    state: AlertState
    announcement: Alert | None
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None


def alert_views(store: Store, names: Iterable[str]) -> list[AlertView]:
    """Return the alerts with these names and every other firing alert, firing ones first."""
    server = commands(store.redis)
    listed = sorted({*names, *store.alerts.firing()})
    with server.pipeline(transaction=False) as pipe:
        for name in listed:
            pipe.hmget(keys.alert(store.deployment, name), "s", "a")
            pipe.hget(keys.acknowledged(store.deployment), name)
        found = pipe.execute()
    read = [_view(name, found[2 * n], found[2 * n + 1]) for n, name in enumerate(listed)]
    return sorted(read, key=lambda view: (not view.state.level, view.name))


def _view(name: str, stored: Sequence[bytes | None], acknowledged: bytes | None) -> AlertView:
    state, words = stored
    current = AlertState.from_json(state or b"{}")
    last = Alert.from_json(words) if words else None
    given = Acknowledgement.read(name, acknowledged) if acknowledged else None
    if given is None or not given.covers(current):
        return AlertView(name, current, last)
    return AlertView(name, current, last, given.by, given.at)
