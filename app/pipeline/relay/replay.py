"""Replay: messages that a target did not get are retried, as long as their originals are kept."""

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
    """Result of a request to replay everything that a target did not get."""

    queued: int
    not_kept: int


_BY_ANSWER: Final = {1: Again.QUEUED, 0: Again.NOT_FAILED, -1: Again.NOT_KEPT}


def replay(store: Store, message_id: str, target: str, by: str) -> Again:
    """Queue one message for a retry, behind those that wait. Doing it again changes nothing."""
    again = _BY_ANSWER[store.relays.again(message_id, target, clock.now())]
    if again is Again.QUEUED:
        store.audit.write(by, "replay relay", f"{message_id} to {target}")
    return again


def replay_failed(store: Store, target: str, by: str) -> AgainAll:
    """Retry everything that a target did not get, in the order in which it failed, starting now."""
    found = [store.relays.again(one, target, clock.now()) for one in store.relayviews.failed_ids(target, _AT_ONCE)]
    if forward_name(target):
        store.relays.hurry([target], clock.now())
    queued = sum(1 for answer in found if answer == 1)
    store.audit.write(by, "replay relay", f"{queued} messages to {target}")
    return AgainAll(queued, sum(1 for answer in found if answer < 0))
