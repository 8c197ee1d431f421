"""Pages of deliveries, messages and events of alerts, newest first.

A cursor is a position in time, not an index, so new rows do not shift a page.
"""

import json
import math
from typing import Any, Final

from app.store import keys
from app.store.server.commands import commands
from app.store.store import Store
from app.store.timeline import Place, behind

#: The part of an event's JSON before this is unique among events at the same time.
_KIND: Final = ',"kind":'

Page = tuple[list[dict[str, Any]], str | None]


def deliveries(store: Store, cursor: str | None, limit: int) -> Page:
    """Return the outcomes of deliveries by time of arrival, without expired ones, and the next cursor.

    Raises:
        ValueError: the cursor is invalid.
    """
    place, wanted = _place(cursor), limit + 1
    rows = behind(store.redis, keys.deliveries(store.deployment), place, wanted)
    at_least = rows[-1][1] if len(rows) == wanted else -math.inf
    packed = {row["message_id"]: row for row in store.packs.behind(place, wanted, at_least)}
    merged = {message_id: row["received_at"] for message_id, row in packed.items()} | dict(rows)
    ordered = sorted(merged, key=lambda message_id: (merged[message_id], message_id.encode()), reverse=True)
    shown = ordered[:limit]
    single = [message_id for message_id in shown if message_id not in packed]
    names = [keys.delivery(store.deployment, message_id) for message_id in single]
    texts = commands(store.redis).mget(names) if names else []
    # A delivery that was packed between the two reads is in both; it is the same.
    found = packed | {one: json.loads(text) for one, text in zip(single, texts, strict=True) if text is not None}
    following = str(Place(merged[shown[-1]], shown[-1])) if len(ordered) > limit else None
    return [found[message_id] for message_id in shown if message_id in found], following


def events(store: Store, cursor: str | None, limit: int) -> Page:
    """Return the events of alerts, and the next cursor.

    Raises:
        ValueError: the cursor is invalid.
    """
    rows = behind(store.redis, keys.alert_events(store.deployment), _place(cursor), limit + 1)
    following = None
    if len(rows) > limit:
        member, at = rows[limit - 1]
        head, comma, _ = member.partition(_KIND)
        following = str(Place(at, head + comma))
    return [json.loads(member) for member, _ in rows[:limit]], following


def notifications(store: Store, cursor: str | None, limit: int) -> Page:
    """Return messages with state, attempts and error by time of decision, and the next cursor.

    Raises:
        ValueError: the cursor is invalid.
    """
    server = commands(store.redis)
    outbox, place = store.outbox, _place(cursor)
    if place is None:
        rows = outbox.history(limit + 1)
    else:
        # A decision creates one message for each receiver, so many have the same time.
        same = server.zcount(keys.notifications(store.deployment), place.at, place.at)
        found = outbox.history(limit + 1 + same, before=math.nextafter(place.at, math.inf))
        after = (place.at, place.member.encode())
        rows = [row for row in found if (row["decided_at"], row["id"].encode()) < after][: limit + 1]
    last = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], str(Place(last["decided_at"], last["id"])) if last else None


def _place(cursor: str | None) -> Place | None:
    return None if cursor is None else Place.parse(cursor)
