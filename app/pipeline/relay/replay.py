"""Replay: messages that failed for a target are retried, as long as their originals are stored."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app import clock
from app.core.relay.target import forward_name
from app.store.store import Store

_AT_ONCE: Final = 10_000


class Again(StrEnum):
    """Result of a request to replay a message."""

    QUEUED = "queued"
    NOT_FAILED = "not failed"
    NOT_KEPT = "not kept"


@dataclass(frozen=True, slots=True)
class AgainAll:
    """Result of a request to replay all messages that failed for a target."""

    queued: int
    not_kept: int


_BY_ANSWER: Final = {1: Again.QUEUED, 0: Again.NOT_FAILED, -1: Again.NOT_KEPT}


def replay(store: Store, message_id: str, target: str, by: str) -> Again:
    """Queue one message for a retry, after those that are waiting. Repeating it changes nothing."""
    again = _BY_ANSWER[store.relays.again(message_id, target, clock.now())]
    if again is Again.QUEUED:
        store.audit.write(by, "replay relay", f"{message_id} to {target}")
    return again


def replay_failed(store: Store, target: str, by: str) -> AgainAll:
    """Retry all messages that failed for a target, in the order in which they failed, starting now."""
    found = [store.relays.again(one, target, clock.now()) for one in store.relayviews.failed_ids(target, _AT_ONCE)]
    if forward_name(target):
        store.relays.hurry([target], clock.now())
    queued = sum(1 for answer in found if answer == 1)
    store.audit.write(by, "replay relay", f"{queued} messages to {target}")
    return AgainAll(queued, sum(1 for answer in found if answer < 0))
