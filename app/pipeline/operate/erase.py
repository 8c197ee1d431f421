"""Erasing a person: a user's data is deleted or loses the name; the count stays."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from app import clock
from app.config.load import Config
from app.core.relay.original import Original, Subject, subject_of
from app.core.relay.plan import lanes
from app.pipeline.count.forgetowner import forget_owner, workspaces_of
from app.pipeline.relay.accepting import routes_of
from app.pipeline.relay.sealing import seal_of
from app.store.relay.people import People
from app.store.relay.relays import FAILED, PENDING
from app.store.relay.seal import SealError
from app.store.store import Store

_AT_ONCE: Final = 500
_ERASED: Final = "The person was erased."


@dataclass(frozen=True, slots=True)
class Erased:
    """What was deleted or renamed.

    Attributes:
        instead: the new pseudonym in the records.
        records: the user's records, which stay under the pseudonym.
        deliveries: stored deliveries that named the user; their payloads were deleted.
        messages: relayed messages whose contents were deleted.
        conversations: deleted ids of Slack conversations.
        groups: Coder groups that listed the user.
    """

    instead: str
    records: int
    deliveries: int
    messages: int
    conversations: int
    groups: int


def erase(store: Store, config: Config, user: str, by: str) -> Erased:
    """Erase a user of Coder, by name or address. If the process dies, another call finishes the rest.

    If the user still exists in Coder, the next delivery or pass brings the name back, so delete the user there first.

    Args:
        store: of the deployment.
        config: includes the secret for sealed contents.
        user: user name in any case, or address.
        by: the person who requests it, for the audit trail, which does not name the user.
    """
    name, instead = user.casefold(), f"erased-{secrets.token_hex(4)}"
    found = _relayed(store, config, name)
    addresses, names = found.addresses | ({name} if "@" in name else set()), found.names | {name}
    people, seal = People(store.redis, store.deployment), seal_of(config) if config.settings.relaying else None
    conversations = sum(people.forget_conversation(seal.alias(address)) for address in addresses) if seal else 0
    # In this order, because deliveries may be packed, and a replay may take some out of their packs, at the same time.
    deliveries = _scrub(store, names, instead)
    deliveries += store.packs.rewrite(lambda record: _scrubbed(record, names, instead))
    deliveries += _scrub(store, names, instead)
    groups = _leave_groups(store, names)
    records = sum(forget_owner(store, config, workspaces_of(store, one), one, instead) for one in sorted(names))
    store.audit.write(by, "erase user", f"{records} records are now of {instead}")
    return Erased(instead, records, deliveries, found.messages, conversations, groups)


@dataclass(slots=True)
class _Found:
    """Messages to a person: their number, and the addresses and user names that they contain."""

    messages: int = 0
    addresses: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def _relayed(store: Store, config: Config, user: str) -> _Found:
    """Delete the contents of messages to the user."""
    found, cursor = _Found(), None
    if not config.settings.relaying:
        return found
    while True:
        ids, cursor = store.relayviews.ids(cursor, _AT_ONCE)
        for message_id, sealed in store.relays.originals(ids):
            subject, username = _person(store, config, message_id, sealed)
            if subject is None or user not in (username, subject.recipient.casefold()):
                continue
            found.addresses.add(subject.recipient.casefold())
            found.names |= {username} if username else set()
            found.messages += 1
            _end(store, config, message_id, subject)
        if cursor is None:
            return found


def _person(store: Store, config: Config, message_id: str, sealed: bytes) -> tuple[Subject | None, str]:
    try:
        original = Original.unpack(seal_of(config).open(sealed, f"{store.deployment}/{message_id}"))
    except SealError:
        return None, ""
    envelope = json.loads(original.body)
    return subject_of(envelope), str(envelope["payload"].get("user_username", "")).casefold()


def _end(store: Store, config: Config, message_id: str, subject: Subject) -> None:
    waiting = {row.target for row in store.relayviews.of([message_id])[message_id] if row.state == PENDING}
    for lane in lanes(subject, message_id, routes_of(config), seal_of(config).alias):
        if lane.target in waiting:
            store.relays.end(lane.name, message_id, FAILED, _ERASED, clock.now(), replayable=False)
    store.relays.forget_original(message_id)


def _scrub(store: Store, names: set[str], instead: str) -> int:
    """Remove the name, along with the payload, from the deliveries that are not packed; return their number."""
    found = ((kept, _scrubbed(kept.record, names, instead)) for page in store.kept.newest(0) for kept in page)
    return sum(new is not None and store.kept.replace(kept.message_id, kept.text, new) for kept, new in found)


def _scrubbed(record: dict[str, Any], names: set[str], instead: str) -> dict[str, Any] | None:
    """Return a record without the name and without its payload; None if the person is not in it."""
    payload = record.get("payload") or {}
    people = (record.get("owner"), payload.get("user_username"), (payload.get("labels") or {}).get("initiator"))
    if names.isdisjoint(str(one).casefold() for one in people):
        return None
    owned = str(record.get("owner")).casefold() in names
    return {**record, "owner": instead if owned else record.get("owner"), "payload": None}


def _leave_groups(store: Store, names: set[str]) -> int:
    groups = store.coder.groups()
    left = {group: [one for one in members if one.casefold() not in names] for group, members in groups.items()}
    changed = sum(1 for group in groups if left[group] != list(groups[group]))
    if changed:
        store.coder.keep_groups(left)
    return changed
