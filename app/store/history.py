"""Pages of what happened: deliveries, messages and events of alerts, newest first.

A cursor is a place in time and not a number, so what arrives meanwhile shifts nothing.
"""

import json
import math
from typing import Any, Final

from app.store import keys
from app.store.server.commands import commands
from app.store.store import Store
from app.store.timeline import Place, behind

#: The part of its JSON before this distinguishes an event from others at the same time.
_KIND: Final = ',"kind":'

Page = tuple[list[dict[str, Any]], str | None]


def deliveries(store: Store, cursor: str | None, limit: int) -> Page:
    """Return the outcome of deliveries, by arrival, and the next cursor; those that have expired are left out.

    Raises:
        ValueError: the cursor is not one that this gave out.
    """
    server = commands(store.redis)
    rows = behind(store.redis, keys.deliveries(store.deployment), _place(cursor), limit + 1)
    shown = rows[:limit]
    found = server.mget([keys.delivery(store.deployment, message_id) for message_id, _ in shown]) if shown else []
    following = str(Place(shown[-1][1], shown[-1][0])) if len(rows) > limit else None
    return [json.loads(item) for item in found if item is not None], following


def events(store: Store, cursor: str | None, limit: int) -> Page:
    """Return what happened to alerts, and the next cursor.

    Raises:
        ValueError: the cursor is not one that this gave out.
    """
    rows = behind(store.redis, keys.alert_events(store.deployment), _place(cursor), limit + 1)
    following = None
    if len(rows) > limit:
        member, at = rows[limit - 1]
        head, comma, _ = member.partition(_KIND)
        following = str(Place(at, head + comma))
    return [json.loads(member) for member, _ in rows[:limit]], following


def notifications(store: Store, cursor: str | None, limit: int) -> Page:
    """Return messages with state, attempts and error, by decision, and the next cursor.

    Raises:
        ValueError: the cursor is not one that this gave out.
    """
    server = commands(store.redis)
    outbox, place = store.outbox, _place(cursor)
    if place is None:
        rows = outbox.history(limit + 1)
    else:
        # One decision sends a message to every receiver, so many have the same time.
        same = server.zcount(keys.notifications(store.deployment), place.at, place.at)
        found = outbox.history(limit + 1 + same, before=math.nextafter(place.at, math.inf))
        after = (place.at, place.member.encode())
        rows = [row for row in found if (row["decided_at"], row["id"].encode()) < after][: limit + 1]
    last = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], str(Place(last["decided_at"], last["id"])) if last else None


def _place(cursor: str | None) -> Place | None:
    return None if cursor is None else Place.parse(cursor)
